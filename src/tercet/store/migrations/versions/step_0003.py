"""Kept results and those that have gone are rows of one table, a model too; the files of kept arrays are segments."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from tercet.federation.model import fresh_id
from tercet.store.datasets import segment_values
from tercet.store.kept_files import kept_dataset, kept_segment, read_label
from tercet.store.tables import KEPT, SEGMENTS

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables `segments` and `kept` anew, from what stood in four."""
    connection = op.get_bind()
    segments, kept, gone, models = (_taken(connection, name) for name in ("segments", "kept", "gone", "models"))
    SEGMENTS.create(connection)
    KEPT.create(connection)
    segments += [_segment(row) for row in kept]
    rows = [_kept(row) for row in kept] + [_gone(row) for row in gone] + [_model(row) for row in models]
    for table, values in ((SEGMENTS, segments), (KEPT, rows)):
        if values:
            connection.execute(sa.insert(table), values)


def _taken(connection: sa.Connection, name: str) -> list[dict[str, Any]]:
    """The rows of a table, which is dropped."""
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    rows = [dict(row._mapping) for row in connection.execute(sa.select(table))]
    table.drop(connection)
    return rows


def _segment(row: dict[str, Any]) -> dict[str, Any]:
    first, second, third = json.loads(row["digests"])
    segment = kept_segment(
        row["handle"],
        read_label(row["label"]),
        owner=row["owner"],
        generation=row["generation"],
        digests=(first, second, third),
        created=row["created"],
    )
    return segment_values(segment, kept_dataset(row["handle"]), row["generation"] + 1)


def _kept(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: value for name, value in row.items() if name not in ("generation", "digests")},
        "public": None,
        "ended": None,
        "reason": None,
    }


def _gone(row: dict[str, Any]) -> dict[str, Any]:
    """Where its files are still there, they are deleted at the node's start, as all to which nothing refers."""
    return {
        **{name: row[name] for name in ("handle", "name", "model", "owner", "reason")},
        "job": "",
        "label": None,
        "public": None,
        "disclosure": None,
        "terms": None,
        "created": row["at"],
        "expires": None,
        "ended": row["at"],
    }


def _model(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("name", "owner", "job", "created")},
        "handle": fresh_id(),
        "model": row["name"],
        "label": None,
        "public": row["model"],
        "disclosure": None,
        "terms": None,
        "expires": None,
        "ended": None,
        "reason": None,
    }
