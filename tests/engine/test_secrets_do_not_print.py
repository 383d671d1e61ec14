"""No repr, str or log line of a secret-bearing object shows words, seeds or keys."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import inspect
import logging
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tercet
from tercet.client import encode_array, local
from tercet.client.serve import PartySettings
from tercet.engine.commands import Put, RunPlan
from tercet.engine.party import StoredShare
from tercet.protocols.scope import Scope
from tercet.ring import RING64
from tercet.sharing import ALL, PARTIES, BitShare, Party, SessionKeys, Share, Streams, Upload, split
from tercet.statistics.asked import Result
from tercet.transport import Aborted, Contact, Control, Identity, Message, SessionPeer
from tiny_plans import StoredArray, chain_plan, put, run_plan
from trio import PostChannel, Trio

SECRET = b"\xa5\xa5SECRETSEED"
SEED = (SECRET * 4)[:32]
WORDS = np.full(4, 0xA5A5A5A5A5A5A5A5, np.uint64)
MARKS = ("SECRET", "a5a5", "A5A5", r"\xa5", str(0xA5A5A5A5A5A5A5A5), str(-(2**64 - 0xA5A5A5A5A5A5A5A5)), "165, 165")

IDENTITY = Identity(b"public", SEED)
BEARERS: list[Any] = [
    Share(RING64, WORDS, WORDS),
    BitShare(256, WORDS, WORDS),
    Streams({Party.P1: SEED[:16], Party.P2: SEED[:16], ALL: SEED[:16]}),
    SessionKeys({Party.P1: SEED, Party.P2: SEED, ALL: SEED}, SEED),
    Upload((SEED, SEED, WORDS.tobytes()), Party.P3),
    split(WORDS, RING64),
    Message(WORDS.view(np.uint8), 3),
    Control(SessionPeer.P1, 1, memoryview(SEED)),
    Put(bytes(16), 64, (4,), b"", SEED[:16], WORDS.tobytes(), True, False),
    RunPlan(bytes(16), SEED),
    StoredShare(b"", Share(RING64, WORDS, WORDS)),
    IDENTITY,
    Contact(SEED),
    PartySettings(SessionPeer.P1, IDENTITY, {SessionPeer.P2: Contact(SEED)}, bytes(16), 1.0, 1),
    encode_array([12345.5]),
    Scope(Party.P1, Streams({}), PostChannel(Trio().post, Party.P1), 1, solo=PARTIES[0]),
]


@pytest.mark.parametrize("bearer", BEARERS, ids=lambda bearer: type(bearer).__name__)
def test_repr_and_str_show_nothing(bearer: Any) -> None:
    for text in (repr(bearer), str(bearer), f"{bearer}", repr([bearer]), repr({"key": bearer})):
        assert not any(mark in text for mark in MARKS) and "12345" not in text


def package_classes() -> Iterator[type]:
    left_out = ["tercet.cli", "tercet.bench"]
    if importlib.util.find_spec("torch") is None:
        left_out.append("tercet.torch")

    def failed(name: str) -> None:
        if not name.startswith(tuple(left_out)):
            raise ImportError(name)

    for module in pkgutil.walk_packages(tercet.__path__, "tercet.", onerror=failed):
        if module.name.startswith(tuple(left_out)) or module.name.endswith("__main__"):
            continue
        for _, cls in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if cls.__module__ == module.name:
                yield cls


# what may print, though its type could hold anything: public by its meaning
PUBLIC = {
    ("Address", "job"),
    ("Bundle", "hash"),
    ("Classes", "classes"),
    ("Constant", "words"),
    *(("CoxSummary", name) for name in ("params", "standard_errors", "inverse")),
    ("Done", "job"),
    ("Drop", "handles"),
    ("Lives", "times"),
    ("PartHeader", "part"),
    ("PartHeader", "upload"),
    ("JobRecord", "job"),
    ("PlanOutput", "handle"),
    ("ProgramResult", "handle"),
    ("ProgramResult", "label"),
    ("PolicyRequest", "inputs"),
    ("Put", "handle"),
    ("Put", "label"),
    ("RunPlan", "job"),
    ("PartySettings", "session"),
    ("StoredShare", "label"),
    ("StoredArray", "handle"),
    ("Wanted", "handle"),
}


def test_every_dataclass_hides_its_bytes_and_arrays() -> None:
    """Walks all dataclasses of the package, those not yet written too: a field of bytes or words has repr=False."""
    loose = []
    seen = 0
    for cls in package_classes():
        if not dataclasses.is_dataclass(cls):
            continue
        seen += 1
        if issubclass(cls, Result):
            continue  # a statistic that was revealed to whoever asked prints itself
        if cls.__repr__ is not object.__repr__ and not cls.__dataclass_params__.repr:
            continue
        for entry in dataclasses.fields(cls):
            kind = str(entry.type)
            holds = any(word in kind for word in ("bytes", "NDArray", "Words", "memoryview", "ndarray", "Component"))
            holds |= not {"Array", "Bits", "Bytes"}.isdisjoint(re.findall(r"\w+", kind))
            if holds and entry.repr and (cls.__name__, entry.name) not in PUBLIC:
                loose.append((cls.__name__, entry.name, kind))
    assert seen > 20
    assert not loose, "\n".join(map(str, loose))


def test_a_run_logs_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), local() as net:
        x = put(net, [987654321], (0, 2**30))
        run_plan(net, chain_plan(x, put(net, [1], (0, 1))))
        with pytest.raises(Exception, match="not stored"):
            run_plan(net, chain_plan(StoredArray(bytes(16), x.type), x))
    assert "987654321" not in caplog.text


def test_an_aborts_body_does_not_print() -> None:
    assert "SECRET" not in repr(Aborted(SessionPeer.P1, bytes(16), SEED))
