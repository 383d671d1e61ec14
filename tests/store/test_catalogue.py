"""The catalogue on both databases: migrations, transactions, threads, and a database that goes away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, insert, select, text

import postgres
from tercet.errors import ConfigError, DatabaseLost, DiskFull, IntegrityError, StorageError
from tercet.store import migrations
from tercet.store.catalogue import Catalogue
from tercet.store.tables import CHECKS, FACTS, METADATA


def test_a_new_catalogue_has_all_tables(catalogue: Catalogue) -> None:
    with catalogue.read() as connection:
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
    assert found == []
    assert catalogue.form() == migrations.HEAD
    folder = str(Path(migrations.__file__).parent)
    assert ScriptDirectory(folder).get_current_head() == migrations.HEAD


def test_the_migrations_make_what_a_new_catalogue_has(kind: str, new_url: Callable[[str, str], str]) -> None:
    catalogue = Catalogue(new_url(kind, "old"))
    try:
        catalogue.upgrade("0001")
        catalogue.upgrade()
        with catalogue.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        assert catalogue.form() == migrations.HEAD
    finally:
        catalogue.close()


def test_checked_chunks_from_before_are_of_the_first_protocol(kind: str, new_url: Callable[[str, str], str]) -> None:
    catalogue = Catalogue(new_url(kind, "old"))
    try:
        catalogue.upgrade("0001")
        with catalogue.write() as connection:
            connection.execute(
                text("INSERT INTO checks VALUES ('u', 0, 'r', 'p', '[]', :tag, :tag)").bindparams(tag=b"t" * 16)
            )
        catalogue.upgrade()
        with catalogue.read() as connection:
            assert [tuple(row)[2:4] + tuple(row)[-1:] for row in connection.execute(select(CHECKS))] == [("r", "p", 1)]
    finally:
        catalogue.close()


def test_upgrading_again_changes_nothing_and_a_newer_form_is_refused(catalogue: Catalogue) -> None:
    with catalogue.write() as connection:
        catalogue.set_fact(connection, "a", "b")
    catalogue.upgrade()
    assert catalogue.fact("a") == "b" and catalogue.fact("b") is None
    with catalogue.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="form 9999, which this version of tercet does not know"):
        catalogue.upgrade()


def test_a_transaction_is_all_or_nothing(catalogue: Catalogue) -> None:
    with pytest.raises(ZeroDivisionError), catalogue.write() as connection:
        catalogue.set_fact(connection, "a", "b")
        raise ZeroDivisionError
    assert catalogue.fact("a") is None
    with pytest.raises(RuntimeError, match="write"), catalogue.write(), catalogue.write():
        pass
    with catalogue.write() as connection:
        catalogue.set_fact(connection, "a", "c")
    assert catalogue.fact("a") == "c"


def test_a_view_is_of_one_moment(catalogue: Catalogue) -> None:
    with catalogue.read() as connection:
        assert connection.execute(select(func.count()).select_from(FACTS)).scalar() == 0
        with catalogue.write() as other:
            catalogue.set_fact(other, "a", "b")
        assert connection.execute(select(func.count()).select_from(FACTS)).scalar() == 0
    assert catalogue.fact("a") == "b"


def test_writers_come_one_after_the_other(kind: str, new_url: Callable[[str, str], str]) -> None:
    """From threads of one process and from another engine, as of another process: no update is lost."""
    url = new_url(kind, "shared")
    first, second = Catalogue(url), Catalogue(url)
    first.upgrade()
    with first.write() as connection:
        first.set_fact(connection, "n", "0")

    def count(catalogue: Catalogue) -> None:
        for _ in range(15):
            with catalogue.write() as connection:
                found = connection.execute(select(FACTS.c.value).where(FACTS.c.name == "n")).scalar_one()
                catalogue.set_fact(connection, "n", str(int(found) + 1))

    threads = [threading.Thread(target=count, args=(catalogue,)) for catalogue in (first, first, second, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.fact("n") == "60"
    first.close()
    second.close()


def test_errors_have_names_and_tell_no_values(catalogue: Catalogue) -> None:
    with catalogue.write() as connection:
        catalogue.set_fact(connection, "a", "secret-looking")
    with pytest.raises(StorageError) as caught, catalogue.write() as connection:
        connection.execute(insert(FACTS).values(name="a", value="secret-looking"))
    assert "refused a change" in str(caught.value) and "secret-looking" not in str(caught.value)
    with pytest.raises(StorageError) as caught, catalogue.read() as connection:
        connection.execute(text("SELECT nonsense FROM facts"))
    assert "INSERT" not in str(caught.value)


def test_sqlite_is_durable(tmp_path: Path) -> None:
    catalogue = Catalogue(f"sqlite:///{tmp_path}/c.sqlite")
    catalogue.upgrade()
    with catalogue.read() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 1]
    catalogue.close()


def test_a_damaged_or_full_sqlite(tmp_path: Path) -> None:
    catalogue = Catalogue(f"sqlite:///{tmp_path}/c.sqlite")
    catalogue.upgrade()
    with catalogue.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull, match="no space is left for the catalogue"), catalogue.write() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        catalogue.set_fact(connection, "big", "x" * 100_000)
    catalogue.close()
    (tmp_path / "d.sqlite").write_bytes(b"this is no database" * 1000)
    damaged = Catalogue(f"sqlite:///{tmp_path}/d.sqlite")
    with pytest.raises(IntegrityError, match="the catalogue is damaged"):
        damaged.upgrade()
    damaged.close()
    gone = Catalogue(f"sqlite:///{tmp_path}/none/c.sqlite")
    with pytest.raises(DatabaseLost):
        gone.upgrade()
    gone.close()


@pytest.mark.parametrize("url", ["mysql://x", "sqlite://", "nonsense", "oracle://scott:tiger@x"])
def test_addresses(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Catalogue(url)
    assert "tiger" not in str(caught.value)


@pytest.mark.nodes
def test_a_lost_database_is_named_and_comes_back() -> None:
    """The server stops in the middle of a transaction; later calls work once it runs again."""
    with postgres.server() as server:
        catalogue = Catalogue(server.url("lost"))
        catalogue.upgrade()
        with catalogue.write() as connection:
            catalogue.set_fact(connection, "a", "before")
        with pytest.raises(DatabaseLost, match="does not answer"), catalogue.write() as connection:
            catalogue.set_fact(connection, "a", "never")
            server.stop()
            catalogue.set_fact(connection, "a", "never")
        with pytest.raises(DatabaseLost):
            catalogue.fact("a")
        server.start()
        assert catalogue.fact("a") == "before"
        with catalogue.write() as connection:
            catalogue.set_fact(connection, "a", "after")
        assert catalogue.fact("a") == "after"
        catalogue.close()
        server.url("other")
        assert "tercet" not in repr(catalogue) and repr(catalogue) == "Catalogue(postgresql)"
