"""The first form of the catalogue.

Tables that no later step changes are taken from `tables`; the others stand here as they were. A step that changes a
further table writes its former form down here.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tercet.store.tables import METADATA

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

CHANGED = {"checks", "gone", "kept", "models", "segments"}
"""Tables that later steps change."""


def upgrade() -> None:
    """Make all tables."""
    METADATA.create_all(op.get_bind(), tables=[table for name, table in METADATA.tables.items() if name not in CHANGED])
    op.create_table(
        "checks",
        sa.Column("upload", sa.String(length=32), nullable=False),
        sa.Column("chunk", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run", sa.String(length=32), nullable=False),
        sa.Column("part", sa.String(length=32), nullable=False),
        sa.Column("digests", sa.Text(), nullable=False),
        sa.Column("own", sa.LargeBinary(), nullable=False),
        sa.Column("next", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("upload", "chunk"),
    )
    op.create_table(
        "gone",
        sa.Column("handle", sa.String(length=32), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=True),
        sa.Column("model", sa.String(length=160), nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("handle"),
    )
    op.create_index(op.f("ix_gone_at"), "gone", ["at"], unique=False)
    op.create_index(op.f("ix_gone_model"), "gone", ["model"], unique=False)
    op.create_index(op.f("ix_gone_name"), "gone", ["name"], unique=False)
    op.create_table(
        "kept",
        sa.Column("handle", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=True),
        sa.Column("model", sa.String(length=160), nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("job", sa.String(length=32), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("disclosure", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("digests", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("handle"),
        sa.UniqueConstraint("name", name=op.f("uq_kept_name")),
    )
    op.create_index(op.f("ix_kept_expires"), "kept", ["expires"], unique=False)
    op.create_index(op.f("ix_kept_model"), "kept", ["model"], unique=False)
    op.create_index(op.f("ix_kept_owner"), "kept", ["owner"], unique=False)
    op.create_table(
        "models",
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("job", sa.String(length=32), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "segments",
        sa.Column("segment", sa.String(length=32), nullable=False),
        sa.Column("base", sa.String(length=32), nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dataset", sa.String(length=160), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("upload", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("chunk_rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("digests", sa.Text(), nullable=False),
        sa.Column("checked", sa.Text(), nullable=False),
        sa.Column("from_version", sa.Integer(), nullable=False),
        sa.Column("to_version", sa.Integer(), nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("segment", "base", "generation"),
    )
    op.create_index(op.f("ix_segments_dataset"), "segments", ["dataset"], unique=False)
