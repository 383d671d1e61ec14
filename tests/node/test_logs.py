"""Log lines are JSON, say what is needed to follow a thing, and show no words of unexpected errors."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from tercet.node.logs import LOGGER, start_logging


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger(LOGGER)
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before[0], before[1], before[2]
    logging.getLogger(LOGGER).setLevel(before[2])


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_time_level_event_node_and_fields() -> None:
    stream = io.StringIO()
    log = start_logging("a", "info", stream)
    log.bound(job="j1").info("job ended 100%", seconds=0.5, person="eve\nforged line")
    logging.getLogger(LOGGER).debug("not shown")
    (line,) = lines(stream)
    assert line["event"] == "job ended 100%"
    assert (line["level"], line["node"], line["job"], line["seconds"]) == ("info", "a", "j1", 0.5)
    assert line["person"] == "eve\nforged line"
    assert str(line["time"]).endswith("+00:00")


def test_the_words_of_an_unexpected_error_are_not_shown() -> None:
    stream = io.StringIO()
    log = start_logging("a", "info", stream)
    try:
        raise ValueError("secret 4711")
    except ValueError as error:
        log.defect(error, incident="ab")
    (line,) = lines(stream)
    assert line["exception"] == "ValueError"
    assert "test_logs.py" in str(line["trace"])
    assert "4711" not in stream.getvalue()


def test_lines_of_other_libraries_come_as_json_too() -> None:
    stream = io.StringIO()
    start_logging("a", "info", stream)
    logging.getLogger("some.library").warning("odd %s", "thing")
    logging.getLogger("httpx").info("GET https://...")
    (line,) = lines(stream)
    assert (line["event"], line["logger"]) == ("odd thing", "some.library")


def test_long_text_is_cut() -> None:
    stream = io.StringIO()
    start_logging("a", "info", stream).info("x", reason="y" * 100_000)
    assert len(stream.getvalue()) < 3000
