"""Pages in browsers: those of listed origins may upload, all others get answers that no browser lets them read."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.gate_server import Served, gate
from tercet.errors import ConfigError
from tercet.federation.requests import signed_headers
from tercet.node.http.origins import listed_origin
from tercet.node.settings import Listen, NodeLimits, NodeSettings

LISTED = "https://forms.example.org"
LIMITS = NodeLimits(requests_per_second=1000.0, strangers_per_second=1000.0)
OTHERS = (
    *(
        "https://forms.example.org:8443",
        "http://forms.example.org",
        "https://example.org",
        "https://forms.example.org.evil.com",
    ),
    *("https://evil.com", "null", "", "https://forms.example.org/", "HTTPS://forms.example.org", "*"),
)
NEEDED = ("/v1/node", "/v1/me", "/v1/datasets/x", "/v1/uploads", "/v1/uploads/1/chunks/2", "/v1/uploads/1/commit")
NEEDED += ("/v1/uploads/1", "/v1/transactions/1", "/v1/gateway/b/uploads/1/chunks/2", "/v1/gateway/b/me")
CLOSED = (
    "/v1/jobs",
    "/v1/datasets",
    "/v1/datasets/x/keys",
    "/v1/withdrawals",
    "/v1/kept",
    "/v1/admin/status",
    "/metrics",
)
CLOSED += ("/peer/hello", "/healthz", "/openapi.json", "/v1/gateway/b/withdrawals", "/v1/uploads/1/chunks/2/3", "/")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with gate(LIMITS, listen=Listen(allowed_origins=[LISTED])) as found:
        yield found


def ask(
    served: Served, method: str, target: str, origin: str, person: str = "", **more: str
) -> tuple[int, dict[str, str]]:
    """The status, and the headers about origins."""
    headers = {"host": "a", "origin": origin, **{name.replace("_", "-"): value for name, value in more.items()}}
    if person:
        node = served.members["a"].card.fingerprint
        digest = hashlib.sha256(b"").hexdigest()
        headers |= signed_headers(served.people[person], node, method, target, digest, time.time())
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    answer = served.exchange("\r\n".join(lines).encode() + b"\r\n\r\n").partition(b"\r\n\r\n")[0].decode()
    first, *rest = answer.split("\r\n")
    told = dict(line.lower().split(": ", 1) for line in rest)
    return int(first.split()[1]), {
        name: value for name, value in told.items() if name.startswith("access-") or name == "vary"
    }


def preflight(served: Served, target: str, origin: str) -> tuple[int, dict[str, str]]:
    return ask(served, "OPTIONS", target, origin, access_control_request_method="PUT")


@pytest.mark.parametrize("target", NEEDED)
def test_a_listed_page_may_ask_what_uploads_need(served: Served, target: str) -> None:
    status, told = preflight(served, target, LISTED)
    assert status == 204
    assert told["access-control-allow-origin"] == LISTED
    assert told["vary"] == "origin"
    allowed = set(told["access-control-allow-headers"].split(", "))
    assert allowed >= {"tercet-signature", "tercet-nonce", "tercet-sealed", "content-type"}
    assert "access-control-allow-credentials" not in told


@pytest.mark.parametrize("target", CLOSED)
def test_nothing_else_is_open_to_pages(served: Served, target: str) -> None:
    status, told = preflight(served, target, LISTED)
    assert status in (401, 403, 404, 405)
    assert told == {}


@pytest.mark.parametrize("number", range(len(OTHERS)))
def test_other_origins_get_no_headers(served: Served, number: int) -> None:
    assert preflight(served, "/v1/uploads", OTHERS[number]) == (401, {})
    assert ask(served, "GET", "/v1/me", OTHERS[number], "owner") == (200, {})


def test_an_origin_is_no_authority(served: Served) -> None:
    """It lets nobody in, and keeps nobody out; refusals can be read, too."""
    readable = {"access-control-allow-origin": LISTED, "vary": "origin"}
    assert ask(served, "GET", "/v1/me", LISTED, "owner") == (200, readable)
    assert ask(served, "GET", "/v1/me", LISTED) == (401, readable)
    assert ask(served, "GET", "/v1/me", LISTED, "nobody") == (403, readable)
    assert ask(served, "OPTIONS", "/v1/me", LISTED)[0] == 401


def test_a_node_that_lists_none_answers_no_page() -> None:
    with gate(LIMITS) as served:
        assert preflight(served, "/v1/uploads", LISTED) == (401, {})
        assert ask(served, "GET", "/v1/me", LISTED, "owner") == (200, {})


def test_preflights_count_by_address() -> None:
    limits = NodeLimits(strangers_per_second=0.001)
    with gate(limits, listen=Listen(allowed_origins=[LISTED])) as served:
        assert [preflight(served, "/v1/uploads", LISTED)[0] for _ in range(3)] == [204, 429, 429]


def test_only_whole_paths_match() -> None:
    def scope(path: str) -> dict[str, object]:
        return {"type": "http", "path": path, "headers": [(b"origin", LISTED.encode())]}

    assert listed_origin(scope("/v1/me"), [LISTED]) == LISTED
    assert listed_origin(scope("/v1/me\n"), [LISTED]) is None
    assert listed_origin(scope("/x/v1/me"), [LISTED]) is None


@pytest.mark.parametrize(
    "text",
    (
        *(
            "*",
            "null",
            "https://a.org/",
            "https://a.org/x",
            "http://a.org",
            "https://A.org",
            "a.org",
            "https://u@a.org",
        ),
        *("https://a.org:443", "http://127.0.0.1:80", "", "file://", "https://"),
    ),
)
def test_what_is_no_origin_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "node.toml"
    path.write_text(f'name = "a"\n[listen]\nallowed_origins = ["{text}"]\n')
    with pytest.raises(ConfigError, match=r"listen\.allowed_origins\.0.*an origin is https"):
        NodeSettings.load(path)


@pytest.mark.parametrize(
    "text", ["https://a.org", "https://a.org:8443", "http://127.0.0.1:8000", "http://localhost", "https://[::1]:8"]
)
def test_origins_as_browsers_write_them(tmp_path: Path, text: str) -> None:
    path = tmp_path / "node.toml"
    path.write_text(f'name = "a"\n[listen]\nallowed_origins = ["{text}"]\n')
    assert NodeSettings.load(path).listen.allowed_origins == [text]
