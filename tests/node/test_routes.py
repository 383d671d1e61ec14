"""Every route × who asks: the table below is all there is, and a route that is not in it fails a test."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass
from typing import Any
from unittest.mock import MagicMock

import pytest
from fastapi.routing import APIRoute

from node.gate_server import gate_context
from node.trio_nodes import Nodes, assert_ok
from tercet.federation import api_peer
from tercet.federation.model import fresh_id
from tercet.node.http.app import make_routers
from tercet.node.http.routes import peer
from tercet.node.settings import NodeLimits, Timeouts

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
    Row("POST", "/v1/widenings", only("owner"), json=ORDER),
    Row("GET", "/v1/datasets/{name}/keys", ALL, "/v1/datasets/none/keys"),
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
    Row("POST", "/v1/admin/datasets/{name}/check", only("operator"), "/v1/admin/datasets/none/check"),
    Row("POST", "/v1/admin/repair", only("operator"), json={}),
    Row("POST", "/v1/admin/backup", only("operator"), json={"path": ""}),
    Row("GET", "/v1/admin/audit", only("operator")),
    Row("POST", "/v1/admin/nodes/{name}/accept-head", only("operator"), "/v1/admin/nodes/x/accept-head", json={}),
    Row("POST", "/v1/admin/policy/reload", only("operator")),
    Row("GET", "/peer/hello", PEER),
    Row("POST", "/peer/transactions", PEER, json={}),
    Row("POST", "/peer/transactions/{transaction}/commit", PEER, f"/peer/transactions/{ID}/commit", json={}),
    Row("POST", "/peer/transactions/{transaction}/abort", PEER, f"/peer/transactions/{ID}/abort", json={}),
    Row("POST", "/peer/transactions/{transaction}/show", PEER, f"/peer/transactions/{ID}/show", json={}),
    Row("GET", "/peer/transactions/{transaction}", PEER, f"/peer/transactions/{ID}"),
    Row("GET", "/peer/transactions/{transaction}/whole", PEER, f"/peer/transactions/{ID}/whole"),
    Row("GET", "/peer/audit/{number}", PEER, "/peer/audit/1"),
    Row("GET", "/peer/datasets/{name}/versions", PEER, "/peer/datasets/none/versions"),
    Row("POST", "/peer/uploads/{upload}/held", PEER, f"/peer/uploads/{ID}/held", json={}),
    Row("POST", "/peer/checks/{run}", PEER, f"/peer/checks/{ID}", json={}),
    Row("POST", "/peer/checks/{run}/end", PEER, f"/peer/checks/{ID}/end"),
    Row("GET", "/peer/checks/{run}", PEER, f"/peer/checks/{ID}"),
    *(
        Row("POST", f"/peer/jobs/{{job}}/{what}", PEER, f"/peer/jobs/{ID}/{what}", json={})
        for what in ("prepare", "news", "start", "refresh", "settle", "cancel")
    ),
]
IDS = [f"{row.method} {row.path}" for row in TABLE]


def ask(nodes: Nodes, row: Row, person: str | None) -> int:
    return nodes.request("a", person, row.method, row.asked, json=row.json, content=row.content).status_code


def test_the_table_has_every_route() -> None:
    # routes are only listed here: what they would ask of a node is never called
    routers = make_routers(MagicMock(context=gate_context(NodeLimits(), Timeouts())[0]))
    there = {
        (method, route.path.replace(":path}", "}"))
        for router in routers
        for route in router.routes
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
    nodes.upload("audited-in-pages")
    entries: list[dict[str, Any]] = []
    after = 0
    whole = assert_ok(nodes.request("a", "operator", "GET", "/v1/admin/audit?after=0&limit=1000")).json()["entries"]
    size = max(3, len(whole) // 10)  # other tests write at these nodes, too, and a person may ask so often only
    while True:
        page = assert_ok(nodes.request("a", "operator", "GET", f"/v1/admin/audit?after={after}&limit={size}")).json()
        entries += page["entries"]
        if page["next"] is None:
            break
        after = page["next"]
    assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1))
    assert len({entry["kind"] for entry in entries}) >= 3


def test_the_table_of_routes_between_nodes_is_theirs() -> None:
    """Method, path, body, answer, and whether only the coordinator is heard, as `api_peer` lists them."""
    listed = set()
    for line in (api_peer.__doc__ or "").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and "/peer/" in cells[0]:
            method, path = cells[0].split()
            listed.add((method, re.sub(r"\{\w+\}", "{}", path), cells[1], cells[2], cells[3] == "coordinator"))
    served = set()
    for route in ast.walk(ast.parse(inspect.getsource(peer))):
        if not isinstance(route, ast.FunctionDef) or not route.decorator_list:
            continue
        (decorator,) = route.decorator_list
        assert isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute)
        (path_node,) = decorator.args
        assert isinstance(path_node, ast.Constant) and route.returns is not None
        bodies = [ast.unparse(arg.annotation) for arg in route.args.args if arg.arg == "body" and arg.annotation]
        guarded = "coordinates(peer)" in ast.unparse(route)
        path = "/peer" + re.sub(r"\{\w+\}", "{}", str(path_node.value))
        served.add((decorator.func.attr.upper(), path, "".join(bodies), ast.unparse(route.returns), guarded))
    assert served == listed
