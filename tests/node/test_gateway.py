"""One gateway for all three nodes: what is signed for another passes unchanged, and only what may."""

from __future__ import annotations

from node.trio_nodes import NAMES, SCHEMA, Nodes, assert_ok, parts
from tercet.federation.boxes import seal_part
from tercet.federation.model import fresh_id
from tercet.federation.orders import CommitUpload

SEALED = {"tercet-sealed": "1"}


def test_an_owner_uploads_everything_through_one_node(nodes: Nodes) -> None:
    upload, dataset, gate = fresh_id(), "relayed", "b"
    body = {"upload": upload, "dataset": dataset, "schema": SCHEMA.to_dict(), "mode": "create"}
    for name, part in zip(NAMES, parts(upload, 0, [1, 2, 3]), strict=True):
        card = nodes.federation.node(nodes.federation.party(name)).card
        box = seal_part(card, upload, 0, part)
        chunk = f"uploads/{upload}/chunks/0"
        if name == gate:
            assert_ok(nodes.request(gate, "owner", "POST", "/v1/uploads", json=body))
            assert_ok(nodes.request(gate, "owner", "PUT", f"/v1/{chunk}", content=box, headers=SEALED))
        else:
            assert_ok(nodes.through(gate, name, "owner", "POST", "uploads", json=body))
            assert_ok(nodes.through(gate, name, "owner", "PUT", chunk, content=box, headers=SEALED))
    order = nodes.order("owner", CommitUpload(upload=upload, dataset=dataset, chunks=1, rows=3))
    answer = assert_ok(nodes.through(gate, "a", "owner", "POST", f"uploads/{upload}/commit", json=order))
    assert answer.json()["state"] == "committed"
    found = nodes.versions(dataset)
    assert found[0] is not None
    assert found[0] == found[1] == found[2]


def test_a_part_must_be_sealed(nodes: Nodes) -> None:
    for query in ("", "?a", "?a=/b"):
        answer = nodes.through("b", "c", "owner", "PUT", f"uploads/{fresh_id()}/chunks/0{query}", content=b"plain")
        assert answer.status_code == 422
        assert answer.json()["error"] == "not-sealed"


def test_a_box_for_another_node_or_chunk_does_not_open(nodes: Nodes) -> None:
    upload = nodes.begin("boxes")
    part = parts(upload, 0, [1, 2])[0]
    target = f"/v1/uploads/{upload}/chunks/0"
    for node, chunk in ((2, 0), (1, 1)):
        box = seal_part(nodes.federation.node(node).card, upload, chunk, part)
        answer = nodes.request("a", "owner", "PUT", target, content=box, headers=SEALED)
        assert answer.status_code == 409, answer.text
    box = seal_part(nodes.federation.node(1).card, upload, 0, part)
    assert_ok(nodes.request("a", "owner", "PUT", target, content=box, headers=SEALED))


def test_only_the_work_of_owners_is_passed_on(nodes: Nodes) -> None:
    for rest in ("admin/status", "jobs", "kept", "gateway/a/me"):
        assert nodes.through("b", "c", "operator", "GET", rest).status_code == 403, rest
    assert nodes.through("b", "c", "owner", "GET", "me").json()["name"] == "owner"


def test_the_gateway_lets_nobody_through_whom_it_does_not_know(nodes: Nodes) -> None:
    assert nodes.through("b", "c", "nobody", "GET", "me").status_code == 403


def test_there_is_no_way_to_oneself_or_to_nobody(nodes: Nodes) -> None:
    assert nodes.request("b", "owner", "GET", "/v1/gateway/b/me").status_code == 404
    assert nodes.request("b", "owner", "GET", "/v1/gateway/z/me").status_code == 404
    # signed for the gateway rather than for the node behind it
    assert nodes.request("b", "owner", "GET", "/v1/gateway/c/me").status_code == 401
