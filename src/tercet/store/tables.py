"""The tables of the catalogue. `migrations/` makes them; a test compares the two.

JSON stands as canonical text, times as unix seconds, identifiers and digests in hexadecimal. No share, seed or key is
ever in the database.
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
    Column("schema", Text, nullable=False),
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
    Column("dataset", _NAME, nullable=False, index=True),
    Column("owner", _DIGEST, nullable=False),
    Column("upload", _ID, nullable=False),
    Column("position", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("chunk_rows", Integer, nullable=False),
    Column("columns", Text, nullable=False),
    Column("digests", Text, nullable=False),
    Column("from_version", Integer, nullable=False),
    Column("to_version", Integer),
    Column("created", Double, nullable=False),
    Column("removed", Boolean, nullable=False),
)
"""Visible in the versions v with from_version <= v < to_version; `removed`: its files are deleted.

`base` is in the key, since owners choose the names of uploads: one may be that of a joined segment.
"""

UPLOADS = Table(
    "uploads",
    METADATA,
    Column("upload", _ID, primary_key=True),
    Column("dataset", _NAME, nullable=False),
    Column("owner", _DIGEST, nullable=False, index=True),
    Column("mode", String(16), nullable=False),
    Column("schema", Text, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("created", Double, nullable=False),
    Column("touched", Double, nullable=False),
)

CHANGES = Table(
    "changes",
    METADATA,
    Column("transaction_id", _ID, primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("change", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("prepared", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("answers", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("waiting", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("started", Double, nullable=False),
    Column("decided", Double),
)

LOCKS = Table(
    "locks",
    METADATA,
    Column("name", _NAME, primary_key=True),
    Column("transaction_id", _ID, nullable=False, index=True),
)

KEPT = Table(
    "kept",
    METADATA,
    Column("handle", _ID, primary_key=True),
    Column("name", _NAME, unique=True),
    Column("model", _NAME, index=True),
    Column("owner", _DIGEST, nullable=False, index=True),
    Column("job", _ID, nullable=False),
    Column("label", Text, nullable=False),
    Column("disclosure", Text, nullable=False),
    Column("digests", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double, index=True),
)

MODELS = Table(
    "models",
    METADATA,
    Column("name", _NAME, primary_key=True),
    Column("owner", _DIGEST, nullable=False),
    Column("job", _ID, nullable=False),
    Column("model", Text, nullable=False),
    Column("created", Double, nullable=False),
)

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
    Column("rule", _NAME, primary_key=True),
    Column("dataset", _NAME, primary_key=True),
    Column("analyst", _DIGEST, nullable=False, index=True),
    Column("numbers", BigInteger, nullable=False),
    Column("at", Double, nullable=False, index=True),
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
