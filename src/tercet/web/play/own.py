"""Chapter "Your own": a person's Python code in a process of its own, and SQL on their table at three real nodes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import anyio.to_thread
import pandas as pd
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from tercet.client.infer import infer
from tercet.client.query import cell_text, explain
from tercet.client.remote import RemoteSession
from tercet.errors import InputError
from tercet.store.schema import Schema
from tercet.web.picture import Picture, names_of_columns, picture
from tercet.web.play.cost import table
from tercet.web.play.trial_nodes import TrialNodes

TABLE_PATH = "/api/own/table"
"""The one route that takes more than a megabyte."""
RUN_S = 120.0
"""For which code may run, until its end or the next plan that it waits with."""
WAIT_S = 1800.0
"""For which it may wait for its person."""
OUTPUT_BYTES = 100_000
_TOLD_BYTES = 1 << 22
"""Of one line that the process tells."""
_TABLE_BYTES = 50 << 20
_POLL_S = 0.25
_CODE = "from tercet.web.play.cell import main; raise SystemExit(main())"
_PEOPLE, _PEOPLE_ROWS = "people", 1_000
_COLUMNS = ("age", "school", "hours", "income")

Told = Mapping[str, Any]


class CodeAsked(BaseModel):
    """Python code; `stops`: whether it waits for the person before each plan."""

    model_config = ConfigDict(extra="forbid", strict=True)
    code: Annotated[str, Field(max_length=100_000)]
    stops: bool


class SqlAsked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    sql: Annotated[str, Field(min_length=1, max_length=10_000)]


class CodeCell:
    """The process that runs a person's code, one at a time, with that person's rights.

    All methods are called in the server's event loop. A new run ends the one before.
    """

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._until, self._over = 0.0, ""
        self._starting = asyncio.Lock()

    async def run(self, asked: CodeAsked) -> AsyncIterator[Told]:
        """What the process tells and prints, until it has ended. It is ended when nobody reads on."""
        async with self._starting:
            self.stop()
            process, read = await _started()
            self._process = process
            self._may_run()
        told: asyncio.Queue[Told | None] = asyncio.Queue()
        assert process.stdout is not None
        readers = [
            asyncio.create_task(_read_output(process.stdout, told)),
            asyncio.create_task(_read_told(read, told)),
        ]
        try:
            await self._order(process, asked.model_dump_json())
            async for one in self._until_end(process, told, len(readers), asked.stops):
                yield one
            status = await process.wait()
            if status not in (0, -signal.SIGKILL):
                yield _error(f"the process ended with status {status}")
        finally:
            for reader in readers:
                reader.cancel()
            _kill(process)
            await process.wait()

    async def _until_end(
        self, process: asyncio.subprocess.Process, told: asyncio.Queue[Told | None], readers: int, stops: bool
    ) -> AsyncIterator[Told]:
        while readers:
            # each time, as code that tells much would never let it wait
            if _now() > self._until:
                _kill(process)
                yield _error(self._over)
                return
            try:
                one = await asyncio.wait_for(told.get(), _POLL_S)
            except TimeoutError:
                continue
            if one is None:
                readers -= 1
                continue
            if stops and one["kind"] == "plan":
                self._until = _now() + WAIT_S
                self._over = f"ended after {WAIT_S / 60:g} minutes in which nobody let the plan run"
            yield one

    async def go(self) -> None:
        """Let the plan run that waits. InputError if no code runs."""
        if self._process is None or self._process.returncode is not None:
            raise InputError("no code is running", hint="run it again")
        self._may_run()
        await self._order(self._process, "go")

    def _may_run(self) -> None:
        self._until = _now() + RUN_S
        self._over = f"ended after {RUN_S:g} seconds"

    async def _order(self, process: asyncio.subprocess.Process, line: str) -> None:
        assert process.stdin is not None
        with suppress(ConnectionError):  # it has ended, as its output tells
            process.stdin.write(line.encode() + b"\n")
            await process.stdin.drain()

    def stop(self) -> None:
        """End the process, if one runs, and all that it has started."""
        if self._process is not None:
            _kill(self._process)


async def _started() -> tuple[asyncio.subprocess.Process, int]:
    """The process, and the end of its pipe from which is read what it tells."""
    read, write = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the code finds what is beside it only after all else: `run_code` sees to that
            "-c",
            _CODE,
            str(write),
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=[write],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            start_new_session=True,
        )
    except OSError:
        os.close(read)
        raise
    finally:
        os.close(write)
    return process, read


def _error(message: str) -> Told:
    return {"kind": "error", "message": message, "hint": "", "line": None}


def _now() -> float:
    return asyncio.get_running_loop().time()


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _read_output(stream: asyncio.StreamReader, told: asyncio.Queue[Told | None]) -> None:
    left = OUTPUT_BYTES
    while part := await stream.read(4096):
        if left > 0:
            told.put_nowait({"kind": "printed", "text": part[:left].decode("utf-8", "replace")})
            if len(part) >= left:
                told.put_nowait({"kind": "printed", "text": f"\n... more than {OUTPUT_BYTES:,} bytes: not shown\n"})
        left -= len(part)
    told.put_nowait(None)


async def _read_told(fd: int, told: asyncio.Queue[Told | None]) -> None:
    reader = asyncio.StreamReader(limit=_TOLD_BYTES)
    pipe = os.fdopen(fd, "rb", 0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        while line := await reader.readline():
            # the person's code could write here too: it reaches nobody but that person's page
            told.put_nowait(json.loads(line))
    except ValueError:
        told.put_nowait(_error("the code wrote to a pipe that is not its own"))
    finally:
        transport.close()
        told.put_nowait(None)


# -- SQL


class OwnTables:
    """The person's tables at the three nodes. Thread-safe."""

    def __init__(self, nodes: TrialNodes) -> None:
        self._nodes = nodes
        self._lock = threading.Lock()
        self._schemas: dict[str, Schema] = {}

    def _ready(self) -> None:
        with self._lock:
            if _PEOPLE not in self._schemas:
                people = pd.DataFrame(table(_PEOPLE_ROWS), columns=_COLUMNS).round(1)
                self._schemas[_PEOPLE] = self._upload(people, _PEOPLE)[0]

    def _upload(self, source: Any, name: str) -> tuple[Schema, int, list[str]]:
        proposal = infer(source)
        with self._nodes.session("owner") as net:
            report = net.upload(source, dataset=name, schema=proposal.schema, missing="drop", again=True)
        return proposal.schema, report.rows, proposal.notes

    def add(self, path: Path) -> dict[str, Any]:
        """Split a file among the nodes, under a name of its own; gives what is public of it."""
        self._ready()
        with self._lock:
            name = f"table{len(self._schemas)}"
            self._schemas[name], rows, notes = self._upload(path, name)
        columns = [{"name": column.name, "kind": str(column.kind)} for column in self._schemas[name].columns]
        return {"dataset": name, "rows": rows, "columns": columns, "notes": notes}

    def explain(self, sql: str) -> Picture:
        """The picture of a query, with what each node's policy says."""
        self._ready()
        with self._nodes.session("analyst", "the playground: SQL") as net:
            return picture(explain(net, sql), names_of_columns(self._nodes.started().id, self._schemas))

    def ask(self, sql: str) -> dict[str, Any]:
        """Run a query at the nodes: its answer, and what each node has sent for it."""
        self._ready()
        with self._nodes.session("analyst", "the playground: SQL") as net, net.measure() as measured:
            answer = net.query(sql)
            return {
                "names": answer.names,
                "rows": [[cell_text(value, grouped=True) for value in row] for row in answer.rows],
                "note": answer.note,
                "rounds": measured.rounds,
                "bytes_per_party": measured.bytes_per_party,
                "seconds": measured.seconds,
                "sent": _sent(net),
            }


def _sent(net: RemoteSession) -> list[dict[str, Any]]:
    if net.last_job is None:
        return []
    infos = net.job(net.last_job.job)
    return [
        {"node": info.decision.node, "bytes": 0 if info.report is None else sum(info.report.nbytes)} for info in infos
    ]


async def _saved(request: Request, path: Path) -> None:
    size = 0
    with path.open("wb") as file:
        async for part in request.stream():
            size += len(part)
            if size > _TABLE_BYTES:
                raise InputError(f"the file has more than {_TABLE_BYTES:,} bytes", hint="take fewer rows")
            file.write(part)


def own_routes(nodes: TrialNodes) -> APIRouter:
    """The routes of the chapter, below /api/."""
    routes, cell, tables = APIRouter(prefix="/api/own"), CodeCell(), OwnTables(nodes)

    @routes.post("/python")
    async def python(asked: CodeAsked) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            async for told in cell.run(asked):
                yield json.dumps(told) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    @routes.post("/go")
    async def go() -> dict[str, bool]:
        await cell.go()
        return {"going": True}

    @routes.post("/stop")
    async def stop() -> dict[str, bool]:
        cell.stop()
        return {"stopped": True}

    @routes.post("/table")
    async def upload(request: Request) -> dict[str, Any]:
        # a folder, as notes of the upload stand beside the file: they have a hash of its content
        with TemporaryDirectory(prefix="tercet-play-") as folder:
            path = Path(folder) / "table"
            await _saved(request, path)
            return await anyio.to_thread.run_sync(tables.add, path)

    @routes.post("/explain")
    def explained(asked: SqlAsked) -> Picture:
        return tables.explain(asked.sql)

    @routes.post("/sql")
    def sql(asked: SqlAsked) -> dict[str, Any]:
        return tables.ask(asked.sql)

    return routes
