"""Nobody speaks for another: who cancelled, refused or failed a job is signed, and clients look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tercet as tc
from node.jobs_at_nodes import Asked, long_chain
from node.trio_nodes import Nodes, assert_ok, trio
from node.zygote import Zygote
from tercet.errors import IntegrityError
from tercet.federation.api import ErrorBody
from tercet.federation.api_jobs import End
from tercet.federation.identity import Member
from tercet.federation.model import fresh_id
from tercet.federation.requests import signed_headers
from tercet.federation.statements import check_end, check_info, request_of, sign_end

VALUES = list(range(1, 11))


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[Nodes]:
    """Node c refuses jobs in the name of b while there is a file `lie` in its folder."""
    with trio(tmp_path_factory.mktemp("signed"), zygote=zygote, odd={"c": "refusal=lie"}) as made:
        made.upload("d", [VALUES])
        yield made


def card(nodes: Nodes, name: str) -> Any:
    return nodes.federation.node(nodes.federation.party(name)).card


def test_a_cancel_is_signed_by_the_node_and_shows_the_person_s_own_request(nodes: Nodes) -> None:
    asked = Asked(nodes, "d", long_chain).sent()
    asked.runs("b")
    assert_ok(nodes.request("b", "analyst", "POST", f"/v1/jobs/{asked.job}/cancel"))
    for name, info in asked.ends().items():
        assert info.state == "cancelled" and info.error is not None and info.end is not None
        assert (info.error.node, info.error.message, info.end.signer) == ("b", "analyst cancelled the job", "b")
        check_info(info, card(nodes, name), nodes.federation, asked.job)
        with pytest.raises(IntegrityError):
            check_info(info, card(nodes, "abc".replace(name, "")[0]), nodes.federation, asked.job)


def test_every_end_is_signed_also_a_good_one(nodes: Nodes) -> None:
    asked = Asked(nodes, "d").sent()
    for name, info in asked.ends().items():
        assert info.state == "done" and info.end is None
        check_info(info, card(nodes, name), nodes.federation, asked.job)
        other = info.model_copy(update={"state": "failed"})
        with pytest.raises(IntegrityError):
            check_info(other, card(nodes, name), nodes.federation, asked.job)


def test_a_node_that_refuses_in_the_name_of_another_is_named_itself(nodes: Nodes) -> None:
    lie = nodes.folder / "c" / "lie"
    lie.touch()
    try:
        asked = Asked(nodes, "d").sent()
        found = asked.ends()
        for name in ("a", "b"):
            info = found[name]
            assert info.state == "failed" and info.error is not None and info.error.error == "integrity"
            assert info.error.message.startswith("c ended the job, and gave no reason that holds"), info.error
        with pytest.raises(IntegrityError, match="c says that b refused the job, which only that one can say"):
            check_info(found["c"], card(nodes, "c"), nodes.federation, asked.job)
        with tc.connect(nodes.federation, nodes.people["analyst"]) as net, pytest.raises(IntegrityError, match="c "):
            net.table("d")["x"].sum().reveal()
    finally:
        lie.unlink()
    with tc.connect(nodes.federation, nodes.people["analyst"]) as net:
        assert net.table("d")["x"].sum().reveal() == np.sum(VALUES)


def test_ends_that_are_none(nodes: Nodes) -> None:
    keys = {name: Member.load(nodes.folder / name / "identity.pem") for name in "abc"}
    home, job, bundle = nodes.federation.id, fresh_id(), "1" * 64

    def end(signer: str, state: str, blamed: str, message: str = "", request: Any = None) -> End:
        error = ErrorBody(error=state, message=message or "x", node=blamed)
        return sign_end(keys[signer], home, job, bundle, state, error, request)

    def request(person: str, at: str, target: str) -> Any:
        print_ = card(nodes, at).fingerprint
        return request_of(signed_headers(nodes.people[person], print_, "POST", target, "0" * 64, 1.7e9))

    cancel = f"/v1/jobs/{job}/cancel"
    words = "analyst cancelled the job"
    for good in (
        end("b", "failed", "c"),
        end("b", "refused", "b"),
        end("b", "cancelled", "b", words, request("analyst", "b", cancel)),
    ):
        check_end(good, nodes.federation, job, bundle)
    bad = [
        end("b", "refused", "c"),
        end("b", "cancelled", "b", words),
        end("b", "cancelled", "b", words, request("analyst", "c", cancel)),
        end("b", "cancelled", "b", words, request("analyst", "b", f"/v1/jobs/{fresh_id()}/cancel")),
        end("b", "cancelled", "b", words, request("owner", "b", cancel)),
        end("b", "failed", "b").model_copy(update={"signer": "c"}),
        end("b", "failed", "b").model_copy(update={"signer": "x"}),
        end("b", "failed", "b").model_copy(update={"state": "refused"}),
        end("b", "failed", "b").model_copy(update={"bundle": "2" * 64}),
    ]
    for wrong in bad:
        with pytest.raises(IntegrityError):
            check_end(wrong, nodes.federation, job, bundle)
