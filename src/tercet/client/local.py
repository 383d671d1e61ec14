"""Sessions whose three parties run here: as threads of this process, or as three processes on this machine."""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TypeVar

from tercet.client.base import COIN, STATED, check_modes
from tercet.client.serve import PartySettings
from tercet.client.session import Companions, Session
from tercet.engine.party import START_S, PartyLoop
from tercet.errors import ConfigError, TercetError, Unreachable
from tercet.plan.network import PROFILES, Network
from tercet.plan.run.language import PlanLanguage
from tercet.process import LOAD_S, ForkedProcess, ForkServer
from tercet.ring import retain_freed_memory
from tercet.sharing import PARTIES, Party
from tercet.transport import (
    Contact,
    Endpoint,
    Identity,
    SessionPeer,
    connect,
    emulate,
    listen_here,
    memory_endpoints,
    new_session,
    place_of,
)

_LOG = logging.getLogger(__name__)
_END_S = 1.0
_HURRY_S = 0.2
_KILL_S = 2.0
_LAST_WORDS_BYTES = 4000
_CODE = "from tercet.client.serve import main; raise SystemExit(main())"
MEASURED = "measured"
_S = TypeVar("_S", bound=Session)
SPIN_S = 100e-6


@dataclass(frozen=True, slots=True)
class EmulatedLink:
    """A link laid between the parties for benchmarks and tests: round trip in seconds, bandwidth in bit/s."""

    rtt_s: float
    bandwidth_bits_s: float


def local(
    *,
    processes: bool = False,
    timeout: float = 60.0,
    link: EmulatedLink | None = None,
    profile: str = "lan",
    threads: int = 1,
    checked: bool = False,
    rounding: str = COIN,
    bounds: str = STATED,
) -> Session:
    """Start three parties on this machine, and a session with them.

    processes: three processes that talk mutual TLS over sockets of this machine, instead of three threads (with
    threads, this process from then on keeps up to 512 MB of freed memory for its next arrays). timeout: seconds for
    which a party may be silent before it counts as failed. link: an emulated link between the parties. profile: "lan",
    "wan" or "measured" (at the start); protocols are chosen for it. threads: how many a party's kernels use. checked:
    whether every run also verifies the bounds that `tercet.assume` asserts. rounding: "coin": products are rounded
    to one of the two neighbours without bias; "exact": to the nearest, for more bytes and rounds. bounds: "stated":
    those that a plan does not prove are taken as they are; "enforced": values are drawn in to them, by two comparisons.

    Raises ConfigError for settings that cannot be used, or if a party does not start.
    """
    if profile != MEASURED and profile not in PROFILES:
        raise ConfigError(f"profile {profile!r} is not known", hint=f"use {', '.join(PROFILES)} or {MEASURED}")
    if timeout <= 0 or threads < 1:
        raise ConfigError("timeout is positive, threads is at least 1")
    check_modes(rounding, bounds)
    network = PROFILES.get(profile, PROFILES["lan"])
    start = _start_processes if processes else _start_threads
    endpoint, companions = start(timeout, link, threads)
    session = Session(endpoint, companions, network, timeout, checked=checked, rounding=rounding, bounds=bounds)
    weakref.finalize(session, _abandoned, endpoint, companions)
    try:
        session._await_ready(max(timeout, START_S))
        if profile == MEASURED:
            links = session._measure_links(timeout)
            session.network = Network(MEASURED, links.rtt_s, links.bandwidth_bits_s)
    except BaseException as error:
        session.close()
        if isinstance(error, TercetError) and (words := companions.last_words()):
            error.add_note(words)
        raise
    return session


def local_at(endpoints: Mapping[SessionPeer, Endpoint], timeout: float, kind: type[_S]) -> _S:
    """A session whose three parties are threads at these endpoints; for those who listen to messages, or change them.

    Raises TercetError if the parties do not agree on keys."""
    parties = {party: endpoints[SessionPeer(party)] for party in PARTIES}
    trio = ThreadTrio(parties, timeout, 1, balance=False)
    session = kind(endpoints[SessionPeer.CLIENT], trio, PROFILES["lan"], timeout)
    weakref.finalize(session, _abandoned, endpoints[SessionPeer.CLIENT], trio)
    try:
        session._await_ready(max(timeout, START_S))
    except BaseException:
        session.close()
        raise
    return session


def _abandoned(endpoint: Endpoint, companions: Companions) -> None:
    """A session that nobody closed: end its parties when it is collected, or the interpreter ends."""
    with suppress(Exception):
        endpoint.abandon()
        companions.stop(gently=True)


# -- threads


def _start_threads(timeout: float, link: EmulatedLink | None, threads: int) -> tuple[Endpoint, Companions]:
    retain_freed_memory()
    endpoints: dict[SessionPeer, Endpoint] = {**memory_endpoints()}
    if link is not None:
        for party in PARTIES:
            emulate(endpoints[SessionPeer(party)], rtt_s=link.rtt_s, bandwidth_bits_s=link.bandwidth_bits_s)
    parties = {party: endpoints[SessionPeer(party)] for party in PARTIES}
    return endpoints[SessionPeer.CLIENT], ThreadTrio(parties, timeout, threads, balance=link is not None)


class ThreadTrio:
    """The three parties as threads."""

    def __init__(self, endpoints: dict[Party, Endpoint], timeout: float, threads: int, *, balance: bool) -> None:
        language = PlanLanguage()
        self._threads = [
            threading.Thread(
                target=_run_party,
                args=(endpoint, language, timeout, threads, balance),
                name=f"tercet party {int(party)}",
                daemon=True,
            )
            for party, endpoint in endpoints.items()
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, *, gently: bool) -> None:
        """Wait for them to end; a thread cannot be made to."""
        deadline = time.monotonic() + (_KILL_S if gently else _END_S)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def pids(self) -> dict[Party, int]:
        """No process: the parties are threads of this one."""
        return {}

    def last_words(self) -> str:
        return ""


def _run_party(endpoint: Endpoint, language: PlanLanguage, timeout: float, threads: int, balance: bool) -> None:
    try:
        PartyLoop(endpoint, language, timeout=timeout, threads=threads, balance=balance).run()
        endpoint.close()
    except TercetError as error:
        _LOG.info("%s ended: %s", endpoint.me.label, error)
        endpoint.close()
    except BaseException as error:
        _LOG.error("%s ended", endpoint.me.label, exc_info=error)
        endpoint.abandon()


# -- processes


def _start_processes(timeout: float, link: EmulatedLink | None, threads: int) -> tuple[Endpoint, Companions]:
    with ExitStack() as failed, ExitStack() as sockets:
        trio = ProcessTrio()
        failed.callback(trio.stop, gently=False)
        # its process loads while we make keys
        identities = {peer: Identity.create(f"tercet {peer.label}") for peer in SessionPeer}
        session = new_session()
        listeners = {SessionPeer(party): sockets.enter_context(listen_here()) for party in PARTIES}
        contacts = {
            peer: Contact(identities[peer].certificate, *place_of(listener)) for peer, listener in listeners.items()
        }
        everybody = {**contacts, SessionPeer.CLIENT: Contact(identities[SessionPeer.CLIENT].certificate)}
        for me, listener in listeners.items():
            others = {peer: contact for peer, contact in everybody.items() if peer != me}
            shape = None if link is None else (link.rtt_s, link.bandwidth_bits_s)
            trio.start(PartySettings(me, identities[me], others, session, timeout, threads, shape, SPIN_S), listener)
        try:
            endpoint = connect(
                SessionPeer.CLIENT,
                identities[SessionPeer.CLIENT],
                contacts,
                session=session,
                timeout_s=START_S,
                send_timeout_s=timeout,
                spin_s=0.0,
            )
        except TercetError as error:
            error.add_note(trio.last_words())
            raise
        failed.pop_all()
    return endpoint, trio


class ProcessTrio:
    """The three parties as processes, forked by one that has loaded what they run, with one log."""

    def __init__(self) -> None:
        self._processes: dict[Party, ForkedProcess] = {}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._server = ForkServer(_CODE, log=self._log.fileno(), apart=True)
        self._server.load()

    @property
    def pids(self) -> dict[Party, int]:
        """The process ids, for tests that disturb them."""
        return {party: process.pid for party, process in self._processes.items()}

    def start(self, settings: PartySettings, listener: socket.socket) -> None:
        """Start a party, and hand it its settings, keys included. Raises ConfigError if it does not start."""
        party = Party(int(settings.party))
        try:
            process = self._server.start(b"%d" % party, [listener.fileno()])
        except TimeoutError:
            raise Unreachable(f"party {int(party)} did not start within {LOAD_S:g} s", party=int(party)) from None
        except OSError as error:
            raise ConfigError(
                f"the process of party {int(party)} could not be started: {error.strerror}\n{self.last_words()}"
            ) from None
        self._processes[party] = process
        with suppress(BrokenPipeError):  # it has ended, as `connect` will find
            process.control.sendall(settings.encode())
            process.control.shutdown(socket.SHUT_WR)

    def stop(self, *, gently: bool) -> None:
        """End the parties: by themselves, by SIGTERM, by SIGKILL; then what has forked them, and their log.

        Without the client's connection they end by themselves; one that is stopped takes no SIGTERM.
        """
        processes = list(self._processes.values())
        _wait(processes, _END_S if gently else _HURRY_S)
        for process in processes:
            process.send_signal(signal.SIGTERM)
        _wait(processes, _HURRY_S)
        for process in processes:
            process.close()
        self._server.close()
        self._log.close()

    def last_words(self) -> str:
        """The end of what they logged."""
        if self._log.closed:
            return ""
        fd = self._log.fileno()
        text = os.pread(fd, _LAST_WORDS_BYTES, max(0, os.fstat(fd).st_size - _LAST_WORDS_BYTES))
        return text.decode("utf-8", "replace").strip()


def _wait(processes: list[ForkedProcess], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for process in processes:
        process.wait(max(0.0, deadline - time.monotonic()))
