"""A PostgreSQL server for tests: a real one, of the Debian package, on a socket in a temporary folder.

    with server() as found: Catalogue(found.url("name"))

It runs as an unprivileged user where the tests run as root, which PostgreSQL refuses to do. Where it is not installed,
tests that ask for it are skipped.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

PACKAGE = "postgresql"
_USERS = ("postgres", "nobody")
_START_S = 30


def programs() -> Path | None:
    """The folder of the newest server that is installed."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


@dataclass
class Server:
    """A server that runs; it can be stopped and started again."""

    bin: Path
    folder: Path
    user: str | None
    _databases: set[str] = field(default_factory=set)

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    def url(self, database: str) -> str:
        """The address of a database of its own (a schema, which is quicker made); made when it is asked for first."""
        if database not in self._databases:
            with psycopg.connect(
                host=str(self.socket), user="tercet", dbname="postgres", autocommit=True
            ) as connection:
                connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(database)))
            self._databases.add(database)
        return f"postgresql://tercet@/postgres?host={self.socket}&options=-csearch_path%3D{database}"

    def start(self) -> None:
        options = f"-k {self.socket} -c listen_addresses= -c fsync=off -c shared_buffers=16MB -c max_connections=100"
        self._run(
            "pg_ctl",
            "-D",
            str(self.folder / "data"),
            "-l",
            str(self.folder / "log"),
            "-o",
            options,
            "-w",
            "-t",
            str(_START_S),
            "start",
        )

    def stop(self, mode: str = "immediate") -> None:
        """Stop it as a crash would ("immediate"), or in order ("fast")."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "-t", str(_START_S), "stop")

    def init(self) -> None:
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "tercet", "-A", "trust", "-N", "-E", "UTF8")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            user=self.user,
            group=pwd.getpwnam(self.user).pw_gid if self.user else None,
            extra_groups=[] if self.user else None,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=2 * _START_S,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr.decode(errors='replace')}"


@contextmanager
def server() -> Iterator[Server]:
    """A running server with its own folder; stopped and deleted at the end. Skips where there is none."""
    found = programs()
    if found is None:
        pytest.skip(f"no PostgreSQL server here: install the Debian package {PACKAGE}")
    # not below pytest's folder, which other users may not enter; a socket's path must be short, too
    folder = Path(tempfile.mkdtemp(prefix="tercet-pg-"))
    user = _unprivileged() if os.geteuid() == 0 else None
    try:
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        here = Server(found, folder, user)
        here.init()
        (folder / "socket").mkdir(mode=0o777)
        (folder / "socket").chmod(0o777)
        here.start()
        try:
            yield here
        finally:
            here.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(user for user in _USERS if user in known)
