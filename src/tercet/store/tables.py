"""The tables of the catalogue. `migrations/` makes them; a test compares the two.

JSON stands as canonical text, times as unix seconds, identifiers and digests in hexadecimal. No share of a value, seed
or key is ever in the database.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""A key that counts up: SQLite does that for its Integer only."""
_ID = String(32)
_DIGEST = String(64)
_NAME = String(160)

FACTS = Table(
    "facts",
    METADATA,
    Column("name", _NAME, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts about this catalogue: the party it belongs to, when it was restored."""

SCHEMAS = Table(
    "schemas",
    METADATA,
    Column("digest", _DIGEST, primary_key=True),
    Column("text", Text, nullable=False),
)
"""Schemas of versions and uploads, each once, as canonical text."""

DATASETS = Table(
    "datasets",
    METADATA,
    Column("name", _NAME, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Column("changed", Double, nullable=False),
    Column("refreshed", Double),
)

VERSIONS = Table(
    "versions",
    METADATA,
    Column("dataset", _NAME, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("manifest", _DIGEST, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("schema", _DIGEST, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("transaction_id", _ID, nullable=False),
    Column("created", Double, nullable=False),
)

SEGMENTS = Table(
    "segments",
    METADATA,
    Column("segment", _ID, primary_key=True),
    Column("base", _ID, primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("dataset", _NAME, primary_key=True, index=True),
    Column("owner", _DIGEST, nullable=False),
    Column("upload", _ID, nullable=False),
    Column("position", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("chunk_rows", Integer, nullable=False),
    Column("columns", Text, nullable=False),
    Column("digests", Text, nullable=False),
    Column("checked", Text, nullable=False),
    Column("from_version", Integer, nullable=False),
    Column("to_version", Integer),
    Column("created", Double, nullable=False),
    Column("removed", Boolean, nullable=False),
)
"""Visible in the versions v with from_version <= v < to_version; `removed`: its files are deleted; `checked`: the stamp
of the check that its values passed, "" for none.

`base` and `dataset` are in the key, since owners choose the names of uploads: one may be that of a joined segment, or
of a kept array. A kept array is a dataset of its own (`kept_files.kept_dataset`), with a version for each generation.
"""

UPLOADS = Table(
    "uploads",
    METADATA,
    Column("upload", _ID, primary_key=True),
    Column("dataset", _NAME, nullable=False),
    Column("owner", _DIGEST, nullable=False, index=True),
    Column("mode", String(16), nullable=False),
    Column("schema", _DIGEST, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("created", Double, nullable=False),
    Column("touched", Double, nullable=False),
)

CHECKS = Table(
    "checks",
    METADATA,
    Column("upload", _ID, primary_key=True),
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("run", _ID, nullable=False),
    Column("part", _ID, nullable=False),
    Column("digests", Text, nullable=False),
    Column("own", LargeBinary, nullable=False),
    Column("next", LargeBinary, nullable=False),
    Column("protocol", Integer, nullable=False),
)
"""Results of checking chunks of open uploads: this node's components of a tag that is zero if the owner is honest.

`protocol`: the number of the check; a chunk with a row of another number is checked again. Rows are deleted when the
upload is committed or discarded.
"""

CHANGES = Table(
    "changes",
    METADATA,
    Column("transaction_id", _ID, primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("change", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("prepared", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("checked", String(16), nullable=False),
    Column("answers", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("waiting", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("started", Double, nullable=False),
    Column("decided", Double),
)

AGREEMENTS = Table(
    "agreements",
    METADATA,
    Column("dataset", _NAME, primary_key=True),
    Column("proposal", _DIGEST, primary_key=True),
    Column("owner", _DIGEST, primary_key=True),
    Column("transaction_id", _ID, nullable=False),
    Column("at", Double, nullable=False),
)
"""Owners who agree to wider bounds of a dataset, until all owners agree."""

LOCKS = Table(
    "locks",
    METADATA,
    Column("name", _NAME, primary_key=True),
    Column("transaction_id", _ID, nullable=False, index=True),
)

_THERE = text("ended IS NULL")
KEPT = Table(
    "kept",
    METADATA,
    Column("handle", _ID, primary_key=True),
    Column("name", _NAME, index=True),
    Column("model", _NAME, index=True),
    Column("owner", _DIGEST, nullable=False, index=True),
    Column("job", _ID, nullable=False),
    Column("label", Text),
    Column("public", Text),
    Column("disclosure", Text),
    Column("terms", Text),
    Column("created", Double, nullable=False),
    Column("expires", Double, index=True),
    Column("ended", Double, index=True),
    Column("reason", Text),
    Index("uq_kept_name", "name", unique=True, sqlite_where=_THERE, postgresql_where=_THERE),
)
"""Kept arrays and models. Those with `ended` are there no more, for that `reason`; dropped ones have no row.

The shares of an array are a segment. A model has a row of its own, with its public JSON and a handle that nobody is
told; `model` is its name there, and in the rows of its arrays. `terms`: those on which this node's policy let an array
be kept; null if they are not known.
"""

JOBS = Table(
    "jobs",
    METADATA,
    Column("job", _ID, primary_key=True),
    Column("bundle_hash", _DIGEST, nullable=False),
    Column("analyst", _DIGEST, nullable=False, index=True),
    Column("state", String(16), nullable=False, index=True),
    Column("bundle", LargeBinary),
    Column("received", Double, nullable=False, index=True),
    Column("updated", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("deadline", Double),
    Column("decision", Text, nullable=False),
    Column("info", Text, nullable=False),
)

RECEIPTS = Table(
    "receipts",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("job", _ID, nullable=False),
    Column("dataset", _NAME, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("analyst", _DIGEST, nullable=False),
    Column("state", String(16), nullable=False),
    Column("at", Double, nullable=False),
    Column("details", Text, nullable=False),
    Index("uq_receipts_job_dataset", "job", "dataset", unique=True),
)

SPENT = Table(
    "spent",
    METADATA,
    Column("job", _ID, primary_key=True),
    Column("dataset", _NAME, primary_key=True),
    Column("person", _DIGEST, primary_key=True),
    Column("rule", _NAME, nullable=False),
    Column("bits", BigInteger, nullable=False),
    Column("kept", Integer, nullable=False),
    Column("at", Double, nullable=False, index=True),
    Index("ix_spent_person_dataset_at", "person", "dataset", "at"),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("time", String(27), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("details", Text, nullable=False),
    Column("prev", _DIGEST, nullable=False),
    Column("hash", _DIGEST, nullable=False),
    Column("signer", _DIGEST, nullable=False),
    Column("signature", String(88), nullable=False),
)
