"""Every route × who asks: the table below is all there is, and a route that is not in it fails a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.routing import APIRoute

from node.gate_server import gate_node
from node.trio_nodes import Nodes, assert_ok
from tercet.federation.identifiers import fresh_id
from tercet.node.app import ROUTERS
from tercet.node.settings import Limits, Timeouts

ROLES = ("owner", "analyst", "operator")
ALL, OPEN, PEER = frozenset(ROLES), frozenset({"anybody"}), frozenset({"peer"})
ID, FINGERPRINT = "0" * 32, "0" * 64


@dataclass(frozen=True)
class Row:
    """One route and who may ask; `target` is what is asked, with `json` or `content`."""

    method: str
    path: str
    callers: frozenset[str]
    target: str = ""
    json: Any = None
    content: bytes = b""

    @property
    def asked(self) -> str:
        return self.target or self.path


def only(*roles: str) -> frozenset[str]:
    return frozenset(roles)


ORDER = {"order": "{}", "certificate": "", "signature": ""}
TABLE = [
    Row("GET", "/healthz", OPEN),
    Row("GET", "/readyz", OPEN),
    Row("GET", "/metrics", OPEN),
    Row("GET", "/v1/node", OPEN),
    Row("GET", "/v1/me", ALL),
    Row("GET", "/v1/datasets", ALL),
    Row("GET", "/v1/datasets/{name}", ALL, "/v1/datasets/none"),
    Row("GET", "/v1/datasets/{name}/receipts", only("owner", "operator"), "/v1/datasets/none/receipts"),
    Row("POST", "/v1/uploads", only("owner"), json={}),
    Row("GET", "/v1/uploads/{upload}", only("owner", "operator"), f"/v1/uploads/{ID}"),
    Row("PUT", "/v1/uploads/{upload}/chunks/{chunk}", only("owner"), f"/v1/uploads/{ID}/chunks/0", content=b"x"),
    Row("DELETE", "/v1/uploads/{upload}", only("owner", "operator"), f"/v1/uploads/{ID}"),
    Row("POST", "/v1/uploads/{upload}/commit", only("owner"), f"/v1/uploads/{ID}/commit", json=ORDER),
    Row("POST", "/v1/withdrawals", only("owner", "operator"), json=ORDER),
    Row("POST", "/v1/refreshes", only("operator"), json=ORDER),
    Row("GET", "/v1/transactions/{transaction}", ALL, f"/v1/transactions/{ID}"),
    Row("POST", "/v1/jobs", only("analyst"), content=b"x"),
    Row("POST", "/v1/explain", only("analyst"), content=b"x"),
    Row("GET", "/v1/jobs", only("analyst", "operator")),
    Row("GET", "/v1/jobs/{job}", only("analyst", "operator"), f"/v1/jobs/{ID}"),
    Row("GET", "/v1/jobs/{job}/results", ALL, f"/v1/jobs/{ID}/results"),
    Row("POST", "/v1/jobs/{job}/cancel", only("analyst", "operator"), f"/v1/jobs/{ID}/cancel"),
    Row("GET", "/v1/kept", only("analyst", "operator")),
    Row("GET", "/v1/kept/{name}", only("analyst", "operator"), "/v1/kept/none"),
    Row("DELETE", "/v1/kept/{name}", only("analyst", "operator"), "/v1/kept/none", json=ORDER),
    Row("GET", "/v1/admin/status", only("operator")),
    Row("GET", "/v1/admin/jobs", only("operator")),
    Row("POST", "/v1/admin/jobs/{job}/approve", only("operator"), f"/v1/admin/jobs/{ID}/approve", json={}),
    Row("POST", "/v1/admin/jobs/{job}/deny", only("operator"), f"/v1/admin/jobs/{ID}/deny", json={}),
    Row("GET", "/v1/admin/datasets", only("operator")),
    Row("POST", "/v1/admin/backup", only("operator"), json={"path": ""}),
    Row("GET", "/v1/admin/audit", only("operator")),
    Row("POST", "/v1/admin/nodes/{name}/accept-head", only("operator"), "/v1/admin/nodes/x/accept-head", json={}),
    Row("POST", "/v1/admin/policy/reload", only("operator")),
    Row("GET", "/peer/hello", PEER),
    Row("POST", "/peer/transactions", PEER, json={}),
    Row("POST", "/peer/transactions/{transaction}/commit", PEER, f"/peer/transactions/{ID}/commit", json={}),
    Row("POST", "/peer/transactions/{transaction}/abort", PEER, f"/peer/transactions/{ID}/abort", json={}),
    Row("GET", "/peer/transactions/{transaction}", PEER, f"/peer/transactions/{ID}"),
    *(
        Row("POST", f"/peer/jobs/{{job}}/{what}", PEER, f"/peer/jobs/{ID}/{what}", json={})
        for what in ("prepare", "news", "start", "refresh", "settle", "cancel")
    ),
]
IDS = [f"{row.method} {row.path}" for row in TABLE]


def ask(nodes: Nodes, row: Row, person: str | None) -> int:
    return nodes.request("a", person, row.method, row.asked, json=row.json, content=row.content).status_code


def test_the_table_has_every_route() -> None:
    node, _, _ = gate_node(Limits(), Timeouts())
    there = {
        (method, route.path.replace(":path}", "}"))
        for module in ROUTERS
        for route in module.router(node).routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert there == {(row.method, row.path) for row in TABLE}


def test_the_description_has_every_route_that_is_not_for_nodes(nodes: Nodes) -> None:
    described = assert_ok(nodes.request("a", None, "GET", "/openapi.json")).json()
    there = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert there == {(row.method, row.path) for row in TABLE if row.callers != PEER}
    for path, methods in described["paths"].items():
        for method in methods.values():
            assert method["description"], path


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_who_may(nodes: Nodes, row: Row) -> None:
    for role in ROLES:
        status = ask(nodes, row, role)
        if row.callers == PEER:
            assert status == 401, role
        elif row.callers == OPEN or role in row.callers:
            # allowed: whatever is wrong then is with what was asked
            assert (status not in (401, 403) and status < 500) or row.path == "/readyz", (role, status)
        else:
            assert status == 403, (role, status)


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_strangers(nodes: Nodes, row: Row) -> None:
    if row.callers == OPEN:
        assert ask(nodes, row, None) in (200, 503)
    else:
        assert nodes.stranger("b", None, row.method, row.asked, json=row.json, content=row.content) == 401
    wanted = 401 if row.callers == PEER else 403
    if row.callers != OPEN:
        assert nodes.stranger("c", "nobody", row.method, row.asked, json=row.json, content=row.content) == wanted


def test_an_upload_is_its_owner_s_own(nodes: Nodes) -> None:
    upload = nodes.begin("own")
    target = f"/v1/uploads/{upload}"
    assert nodes.request("a", "owner2", "GET", target).status_code == 404
    assert nodes.request("a", "owner2", "DELETE", target).status_code == 404
    assert nodes.request("a", "owner2", "PUT", f"{target}/chunks/0", content=b"x").status_code == 404
    assert nodes.request("a", "operator", "GET", target).status_code == 200
    assert nodes.request("a", "owner", "DELETE", target).json()["state"] == "discarded"


def test_receipts_are_for_owners_of_rows(nodes: Nodes) -> None:
    nodes.upload("with-receipts")
    target = "/v1/datasets/with-receipts/receipts"
    assert nodes.request("a", "owner", "GET", target).json()["receipts"] == []
    assert nodes.request("a", "owner2", "GET", target).status_code == 403
    assert nodes.request("a", "operator", "GET", target).status_code == 200


def test_me(nodes: Nodes) -> None:
    found = assert_ok(nodes.request("b", "analyst", "GET", "/v1/me")).json()
    assert (found["name"], found["roles"], found["warnings"]) == ("analyst", ["analyst"], [])


def test_the_status_says_that_all_is_well(nodes: Nodes) -> None:
    def well() -> Any:
        found = assert_ok(nodes.request("c", "operator", "GET", "/v1/admin/status")).json()
        return found if found["health"]["ready"] else None

    found = nodes.wait_for(well)
    assert [peer["name"] for peer in found["peers"]] == ["a", "b"]
    assert all(peer["reachable"] and not peer["problem"] for peer in found["peers"])
    assert len(found["lanes"]) == 2
    assert found["catalogue"] == "sqlite"
    assert found["in_doubt"] == []
    assert found["warnings"] == []


def test_figures(nodes: Nodes) -> None:
    nodes.upload("figures", [[1, 2, 3]])
    text = nodes.request("a", None, "GET", "/metrics").text
    assert 'tercet_dataset_rows{dataset="figures"} 3.0' in text
    assert 'tercet_certificate_days{node="b"}' in text
    assert fresh_id() not in text


def test_the_audit_is_paged_and_whole(nodes: Nodes) -> None:
    nodes.upload("audited")
    entries: list[dict[str, Any]] = []
    after = 0
    while True:
        page = assert_ok(nodes.request("a", "operator", "GET", f"/v1/admin/audit?after={after}&limit=3")).json()
        entries += page["entries"]
        if page["next"] is None:
            break
        after = page["next"]
    assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1))
    assert len({entry["kind"] for entry in entries}) >= 3
