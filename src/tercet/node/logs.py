"""Structured logs: one JSON line for each event on standard error, made with the standard library."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Any

from tercet.errors import TercetError

LOGGER = "tercet.node"
_QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic", "asyncio")
_TEXT_CHARACTERS = 2000


class JsonLines(logging.Formatter):
    """Time, level, event, node, and the fields given; nothing else of a record reaches the line."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": time, "level": record.levelname.lower(), "event": record.getMessage()}
        line["node"] = self._node
        if not record.name.startswith(LOGGER):
            line["logger"] = record.name
        for name, value in getattr(record, "fields", {}).items():
            line[name] = value if isinstance(value, int | float | bool | list | None) else _short(str(value))
        if record.exc_info and record.exc_info[1] is not None:
            # only where it was raised: the text of an exception may hold values of the caller
            error = record.exc_info[1]
            line["exception"] = type(error).__name__
            line["trace"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
            ]
        return json.dumps(line, ensure_ascii=False, default=str)


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_CHARACTERS else text[:_TEXT_CHARACTERS] + "..."


class Log:
    """Events of one node: `log.info("upload committed", transaction=..., person=...)`.

    Who calls it: everything of a node. No secret, and no body of a request, may be given to it.
    """

    def __init__(self, logger: logging.Logger, fields: dict[str, object] | None = None) -> None:
        self._logger = logger
        self._fields = fields or {}

    def bound(self, **fields: object) -> Log:
        """Give a log that adds these fields to every line."""
        return Log(self._logger, {**self._fields, **fields})

    def info(self, event: str, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._write(logging.ERROR, event, fields)

    def defect(self, error: BaseException, **fields: object) -> None:
        """Log an unexpected exception: its class and where it was raised, without its text."""
        self._write(logging.ERROR, "defect", fields, error)

    @contextmanager
    def guarded(self, event: str, **fields: object) -> Iterator[None]:
        """Log what is raised inside, and nothing more: for threads that go on whatever fails once."""
        try:
            yield
        except TercetError as error:
            self.warning(event, reason=error.message, **fields)
        except Exception as error:
            self.defect(error, **fields)

    def _write(self, level: int, event: str, fields: dict[str, object], error: BaseException | None = None) -> None:
        if self._logger.isEnabledFor(level):
            # a % in the event must not be read as a format
            extra = {"fields": {**self._fields, **fields}}
            self._logger.log(level, "%s", event, extra=extra, exc_info=error)


def start_logging(node: str, level: str, stream: IO[str] | None = None) -> Log:
    """Send this process's logs as JSON lines to `stream` (standard error); the daemon calls it once."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(node))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logger = logging.getLogger(LOGGER)
    logger.setLevel(level.upper())
    return Log(logger)


def node_log() -> Log:
    """The log of a node that runs inside another program; that program's logging settings apply."""
    return Log(logging.getLogger(LOGGER))
