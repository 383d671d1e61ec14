"""The catalogue: one database of a node, SQLite or PostgreSQL, with its migrations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_engine,
    delete,
    event,
    insert,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tercet.errors import ConfigError, DatabaseLost, DiskFull, StorageError
from tercet.errors import IntegrityError as Damaged
from tercet.store.migrations import HEAD
from tercet.store.tables import FACTS, METADATA

BUSY_S = 30
_MIGRATIONS = Path(__file__).parent / "migrations"
RESTORED = "restored"
"""Fact: when this catalogue was restored (unix seconds). What was signed before may have been used already."""
RESTORE_UNTOLD = "restore untold"
"""Fact: this catalogue was restored from a backup of that time, and the audit has no entry of it yet."""
FORGOTTEN = "forgotten"
"""Fact: when the newest job arrived (unix seconds) of those that were deleted from this catalogue."""
_FORMS = "alembic_version"
_WRITES = "tercet_writes"
_WRITER_LOCK = 0x746572636574


class Catalogue:
    """Opened once by the supervisor. Threads may use it at once."""

    def __init__(self, url: str) -> None:
        """`url`: `sqlite:///path` or `postgresql://...`. Connects on first use. Raises ConfigError for another."""
        try:
            parsed = make_url(url)
        except ArgumentError:
            # SQLAlchemy's message repeats the address, which may contain a password
            raise ConfigError("the catalogue's address is none that SQLAlchemy knows", hint="sqlite:///path") from None
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.kind = parsed.get_backend_name()
        if self.kind not in ("sqlite", "postgresql"):
            raise ConfigError(f"a catalogue is in SQLite or PostgreSQL, not in {self.kind}")
        if self.kind == "sqlite" and parsed.database in (None, "", ":memory:"):
            raise ConfigError("a catalogue in SQLite is a file", hint="sqlite:///path")
        try:
            self.engine: Engine = create_engine(parsed, hide_parameters=True, **_options(self.kind))
        except ImportError as error:
            raise ConfigError(
                f"the driver for {self.kind} is missing: {error}", hint="pip install 'tercet[postgres]'"
            ) from None
        if self.kind == "sqlite":
            _prepare_sqlite(self.engine)
        self._writer = threading.Lock()
        self._writing: int | None = None

    def __repr__(self) -> str:
        return f"Catalogue({self.kind})"

    def form(self) -> str | None:
        """The number of the last migration step that was applied; None if there are no tables."""
        with self.read() as connection:
            if not inspect(connection).has_table(_FORMS):
                return None
            return connection.execute(text(f"SELECT version_num FROM {_FORMS}")).scalar()

    def upgrade(self, to: str = "head") -> None:
        """Bring the tables to this version of the package; makes them in an empty database.

        Called at a node's start. Raises ConfigError if a newer version of the package made them.
        """
        form = self.form()
        if form == (HEAD if to == "head" else to):
            return
        if form is None and to == "head":
            self._make()
            return
        # imported here, because importing it at a node's start costs 0.2 s
        from alembic.config import Config
        from alembic.runtime.environment import EnvironmentContext
        from alembic.runtime.migration import MigrationContext
        from alembic.script import ScriptDirectory

        script = ScriptDirectory(str(_MIGRATIONS))
        with self.write() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
            known = {revision.revision for revision in script.walk_revisions()}
            if found is not None and found not in known:
                raise ConfigError(
                    f"the catalogue has the form {found}, which this version of tercet does not know",
                    hint="install the version that wrote it, or a newer one",
                )
            with EnvironmentContext(Config(), script, fn=lambda at, _: script._upgrade_revs(to, at)) as environment:
                environment.configure(connection=connection, target_metadata=METADATA)
                environment.run_migrations()

    def _make(self) -> None:
        """Make all tables as they are now, in an empty database."""
        made = Table(
            _FORMS,
            MetaData(),
            Column("version_num", String(32)),
            PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
        )
        with self.write() as connection:
            METADATA.create_all(connection)
            made.create(connection)
            connection.execute(insert(made).values(version_num=HEAD))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of one moment; nothing is to be written. Raises DatabaseLost."""
        with _translated(), self._connect(write=False) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, one at a time at this node; committed at the end, rolled back by an exception.

        Durable when this returns. Raises DatabaseLost (also if the answer to COMMIT did not arrive: the transaction may
        then be committed), DiskFull, StorageError.
        """
        with self._alone(), _translated(), self._connect(write=True) as connection, connection.begin():
            if self.kind == "postgresql":
                # writers of other processes wait here, as they do at BEGIN IMMEDIATE in SQLite
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")
            yield connection

    def fact(self, name: str) -> str | None:
        """A fact about this catalogue, or None."""
        with self.read() as connection:
            return connection.execute(select(FACTS.c.value).where(FACTS.c.name == name)).scalar()

    def set_fact(self, connection: Connection, name: str, value: str) -> None:
        self.drop_fact(connection, name)
        connection.execute(insert(FACTS).values(name=name, value=value))

    def drop_fact(self, connection: Connection, name: str) -> None:
        connection.execute(delete(FACTS).where(FACTS.c.name == name))

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Threads wait on a lock here, because SQLite would make them poll."""
        if self._writing == threading.get_ident():
            raise RuntimeError("write() within write() would wait for itself")
        with self._writer:
            self._writing = threading.get_ident()
            try:
                yield
            finally:
                self._writing = None

    def _connect(self, *, write: bool) -> Connection:
        if self.kind == "sqlite":
            return self.engine.connect().execution_options(**{_WRITES: write})
        return self.engine.connect().execution_options(isolation_level="READ COMMITTED" if write else "REPEATABLE READ")


def _options(kind: str) -> dict[str, Any]:
    if kind == "sqlite":
        return {"connect_args": {"timeout": BUSY_S, "check_same_thread": False}}
    # a server may be unreachable, so that connections are tested before use
    return {
        "connect_args": {"connect_timeout": 5, "application_name": "tercet"},
        "pool_timeout": BUSY_S,
        "pool_pre_ping": True,
    }


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        # `begun` begins transactions; the driver would begin them later and without a lock
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", f"busy_timeout = {BUSY_S}000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _translated() -> Iterator[None]:
    """Turn errors of the database into errors of Tercet, without statements and parameters."""
    try:
        yield
    except PoolTimeout:
        raise DatabaseLost(
            "no connection to the catalogue became free", hint="see whether its database hangs"
        ) from None
    except IntegrityError as error:
        raise StorageError(
            f"the catalogue refused a change: {_reason(error)}", hint="this is a defect; report it"
        ) from None
    except DBAPIError as error:
        reason = _reason(error)
        if "disk is full" in reason or "No space left" in reason or getattr(error.orig, "sqlstate", None) == "53100":
            raise DiskFull(f"no space is left for the catalogue: {reason}", hint="free space on its disk") from None
        if "malformed" in reason or "not a database" in reason:
            raise Damaged(f"the catalogue is damaged: {reason}", hint="restore a backup") from None
        if "locked" in reason:
            raise StorageError(
                f"the catalogue stayed locked for {BUSY_S} s", hint="see which process holds it"
            ) from None
        if isinstance(error, OperationalError | InterfaceError | InternalError) or error.connection_invalidated:
            raise DatabaseLost(
                f"the catalogue's database does not answer: {reason}", hint="start it; the node goes on"
            ) from None
        raise StorageError(f"the catalogue cannot be used: {reason}", hint="has it been upgraded?") from None
    except SQLAlchemyError as error:
        raise StorageError(f"the catalogue cannot be used: {type(error).__name__}") from error


def _reason(error: DBAPIError) -> str:
    """The first line of the driver's message, without the address."""
    return str(error.orig).strip().partition("\n")[0][:300]
