"""What two nodes compare when they meet."""

from __future__ import annotations

import pytest

from tercet.federation.api_peer import Hello, SignedHead, VersionHead
from tercet.node.peers import differing, terms

HEAD = SignedHead(node="a", number=1, hash="0" * 64, time=0.0, started=0.0, signature="x")


def hello(**changed: object) -> Hello:
    found: dict[str, object] = {
        "software": "tercet 1",
        "name": "a",
        "federation": "0" * 32,
        "federation_digest": "1" * 64,
        "time": 1e9,
        "started": 1e9,
        "datasets": {},
        "changing": [],
        "head": HEAD,
    }
    return Hello.model_validate(found | changed)


def at(version: int, letter: str = "a") -> VersionHead:
    return VersionHead(version=version, manifest=letter * 64)


def test_nodes_that_fit_have_nothing_to_say() -> None:
    both = hello(datasets={"d": at(1)})
    assert terms("a", both, "b", both, 0.1) == []
    assert differing(both, both, both) == []


def test_another_federation_file_and_another_time() -> None:
    (told,) = terms("a", hello(), "b", hello(federation_digest="2" * 64), 0.0)
    assert "different federation files" in told
    (told,) = terms("a", hello(), "b", hello(time=1e9 + 301), 0.0)
    assert told == "the clocks of b and a differ by 301 s"
    assert terms("a", hello(), "b", hello(time=1e9 - 299), 0.0) == []
    # what the question itself took is no difference of clocks
    assert terms("a", hello(), "b", hello(time=1e9 + 301), 2.0) == []


@pytest.mark.parametrize("theirs", [{}, {"d": at(2)}, {"d": at(1, "b")}])
def test_another_version_is_found(theirs: dict[str, VersionHead]) -> None:
    mine = hello(datasets={"d": at(1), "e": at(5)})
    assert differing(mine, mine, hello(datasets={**theirs, "e": at(5)})) == ["d"]


def test_what_is_changing_is_not_compared() -> None:
    mine, theirs = {"datasets": {"d": at(1)}}, {"datasets": {"d": at(2)}}
    assert differing(hello(**mine, changing=["d"]), hello(**mine), hello(**theirs)) == []
    assert differing(hello(**mine), hello(**mine, changing=["d"]), hello(**theirs)) == []
    assert differing(hello(**mine), hello(**mine), hello(**theirs, changing=["d"])) == []
    # it changed here while the other was asked
    assert differing(hello(**mine), hello(**theirs), hello(**mine)) == []
