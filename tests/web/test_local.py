"""A site on loopback: who may ask it, and with which words it refuses all others."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import httpx
import pytest

from tercet.errors import ConfigError, InputError
from tercet.web.local import HEADERS, SESSION_HEADER, Serving, Site, attend


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    (tmp_path / "shell.html").write_text("<!doctype html><title>t</title>")
    site = Site({"/": tmp_path / "shell.html"})

    @site.api.get("/api/number")
    def number() -> dict[str, int]:
        return {"number": 7}

    @site.api.post("/api/number")
    def refuses(body: dict[str, int]) -> dict[str, int]:
        if body.get("fault"):
            raise RuntimeError("a secret 8812")
        raise InputError("the number is odd", hint="give an even one")

    with Serving(site) as made:
        yield made


@contextmanager
def _typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[IO[bytes]]:
    """What is written there is typed at the terminal."""
    read, write = os.pipe()
    with os.fdopen(read) as stdin, os.fdopen(write, "wb") as keyboard:
        monkeypatch.setattr("sys.stdin", stdin)
        yield keyboard


def _client(serving: Serving) -> httpx.Client:
    base = f"http://127.0.0.1:{serving.port}"
    return httpx.Client(base_url=base, headers={"origin": base}, trust_env=False)


def _session(client: httpx.Client, serving: Serving) -> str:
    link = serving.link().partition("#")[2]
    return str(client.post("/session", json={"link": link}).json()["session"])


def test_a_link_opens_one_session(serving: Serving) -> None:
    with _client(serving) as client:
        link = serving.link().partition("#")[2]
        first, second = (client.post("/session", json={"link": link}) for _ in range(2))
        assert (first.status_code, second.status_code) == (200, 401)
        assert "used before" in second.json()["message"]
        told = client.get("/api/number", headers={SESSION_HEADER: first.json()["session"]})
        assert told.json() == {"number": 7}


@pytest.mark.parametrize("token", ["", "x" * 43, "é"])
def test_no_data_without_the_token(serving: Serving, token: str) -> None:
    with _client(serving) as client:
        _session(client, serving)
        answer = client.get("/api/number", headers={SESSION_HEADER: token.encode()})
        assert answer.status_code == 401
        assert "terminal" in answer.json()["hint"]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:80"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=lambda headers: "-".join(headers),
)
def test_other_pages_are_refused(serving: Serving, headers: dict[str, str]) -> None:
    with _client(serving) as client:
        session = _session(client, serving)
        answer = client.get("/api/number", headers={SESSION_HEADER: session, **headers})
        assert answer.status_code in (403, 421)
        assert "number" not in answer.json()


def test_what_changes_something_needs_an_origin(serving: Serving) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{serving.port}", trust_env=False) as client:
        assert client.post("/session", json={"link": "x" * 43}).status_code == 403


def test_all_answers_carry_the_policy(serving: Serving) -> None:
    with _client(serving) as client:
        for path in ("/", "/static/base/base.css", "/api/number", "/nowhere"):
            answer = client.get(path)
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert "set-cookie" not in answer.headers


def test_errors_are_told_and_faults_keep_their_text(serving: Serving) -> None:
    with _client(serving) as client:
        headers = {SESSION_HEADER: _session(client, serving)}
        told = client.post("/api/number", json={}, headers=headers)
        assert (told.status_code, told.json()["message"]) == (422, "the number is odd")
        assert told.json()["hint"] == "give an even one"
        # the server ends the connection of a fault: the next request takes one of its own
        fault = client.post("/api/number", json={"fault": 1}, headers={**headers, "connection": "close"})
        assert fault.status_code == 500
        assert "8812" not in fault.text
        assert client.post("/api/number", content=b"[", headers=headers).status_code == 422
        assert client.post("/api/number", content=b"1" * (1 << 21), headers=headers).status_code == 413


def test_paths_stay_in_their_folder(serving: Serving) -> None:
    with _client(serving) as client:
        assert client.get("/static/base/%2e%2e/local.py").status_code == 404
        assert client.get("/static/base/..%2flocal.py").status_code == 404


def test_it_listens_on_loopback_and_names_a_busy_port(tmp_path: Path) -> None:
    site = Site({})
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigError, match="cannot listen"):
            Serving(site, other.getsockname()[1])


def test_the_terminal_gives_another_link(serving: Serving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[str] = []
    led: list[Path] = []
    opened: list[str] = []

    def opens(address: str) -> None:
        # this goes to a command line, which all users of the machine see
        assert "#" not in address
        led.append(Path(urlsplit(address).path))
        assert led[0].stat().st_mode & 0o077 == 0
        opened.extend(re.findall(r"http://[^\"]+", led[0].read_text()))

    monkeypatch.setenv("HOME", str(tmp_path))

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with _typed(monkeypatch) as keyboard:
        keyboard.write(b"\n\n")
        keyboard.flush()
        attend(serving, "/", say, opens)
    assert not led[0].exists()
    links = [line.split()[0] for text in said for line in text.splitlines() if "http" in line]
    assert len({*links, *opened}) == 4
    with _client(serving) as client:
        for link in [*links, *opened]:
            assert client.post("/session", json={"link": link.partition("#")[2]}).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_signals_end_it_as_the_keyboard_does(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.getsignal(number)

    def say(text: str) -> None:
        if not text:
            raise OSError("the terminal is closed")
        os.kill(os.getpid(), number)

    with _typed(monkeypatch):
        attend(serving, "/", say, None)
    assert signal.getsignal(number) is before


def test_a_signal_that_another_thread_gets_ends_it_too(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        time.sleep(0.5)  # by then the main thread waits, and no call of its own is interrupted
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    other = threading.Thread(target=interrupt)
    with _typed(monkeypatch):
        attend(serving, "/", lambda text: other.start() if text else None, None)
    other.join()


def test_the_end_of_input_is_no_end(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    closing = threading.Timer(1.0, serving.close)
    with _typed(monkeypatch) as keyboard:
        keyboard.close()
        closing.start()
        attend(serving, "/", said.append, None)
    assert len(said) == 1 and not serving.is_alive()
    closing.join()


def test_closing_cuts_requests_off_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    site, began, end = Site({}), threading.Event(), threading.Event()

    @site.api.get("/stuck")
    def stuck() -> None:
        began.set()
        end.wait(60)

    def ask() -> None:
        with suppress(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{serving.port}/stuck", timeout=60, trust_env=False)

    with Serving(site) as serving:
        asking = threading.Thread(target=ask)
        asking.start()
        assert began.wait(30)
        before = time.monotonic()
        serving.close()
        took = time.monotonic() - before
    end.set()
    asking.join(30)
    assert took < 8 and not caplog.records


def test_closing_ends_the_thread(serving: Serving) -> None:
    serving.close()
    assert not serving.is_alive()
    assert not [thread for thread in threading.enumerate() if thread.name == "tercet pages"]
