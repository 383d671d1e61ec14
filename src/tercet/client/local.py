"""Sessions whose three parties run here: as threads of this process, or as three processes on this machine."""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tercet.client.base import COIN, STATED, check_modes
from tercet.client.serve import READY, PartySettings
from tercet.client.session import Companions, Session
from tercet.engine.party import START_S, PartyLoop
from tercet.errors import ConfigError, TercetError, Unreachable
from tercet.plan.network import PROFILES, Network
from tercet.plan.run.language import PlanLanguage
from tercet.ring import retain_freed_memory
from tercet.sharing import PARTIES, Party
from tercet.transport import (
    Contact,
    Endpoint,
    Identity,
    SessionPeer,
    connect,
    dials,
    emulate,
    listen,
    memory_endpoints,
    new_session,
)

_LOG = logging.getLogger(__name__)
_END_S = 1.0
_HURRY_S = 0.2
_KILL_S = 2.0
_LAST_WORDS_BYTES = 4000
MEASURED = "measured"
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

    processes: three processes that talk mutual TLS over loopback, instead of three threads (with threads, this process
    from then on keeps up to 512 MB of freed memory for its next arrays). timeout: seconds for which
    a party may be silent before it counts as failed. link: an emulated link between the parties. profile: "lan",
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
        self._threads = [
            threading.Thread(
                target=_run_party,
                args=(endpoint, timeout, threads, balance),
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


def _run_party(endpoint: Endpoint, timeout: float, threads: int, balance: bool) -> None:
    try:
        PartyLoop(endpoint, PlanLanguage(), timeout=timeout, threads=threads, balance=balance).run()
        endpoint.close()
    except TercetError as error:
        _LOG.info("%s ended: %s", endpoint.me.label, error)
        endpoint.close()
    except BaseException as error:
        _LOG.error("%s ended", endpoint.me.label, exc_info=error)
        endpoint.abandon()


# -- processes


def _start_processes(timeout: float, link: EmulatedLink | None, threads: int) -> tuple[Endpoint, Companions]:
    trio = ProcessTrio()
    try:
        # they load while we make keys
        identities = {peer: Identity.create(f"tercet {peer.label}") for peer in SessionPeer}
        session = new_session()
        for party in PARTIES:
            me = SessionPeer(party)
            contacts = {
                peer: Contact(identities[peer].certificate, *(trio.address(peer) if dials(me, peer) else ("", 0)))
                for peer in SessionPeer
                if peer != me
            }
            trio.instruct(
                party,
                PartySettings(
                    me,
                    identities[me],
                    contacts,
                    trio.listener_fd(party),
                    session,
                    timeout,
                    threads,
                    None if link is None else (link.rtt_s, link.bandwidth_bits_s),
                    SPIN_S,
                ),
            )
        trio.await_start()
        contacts = {
            SessionPeer(party): Contact(identities[SessionPeer(party)].certificate, *trio.address(SessionPeer(party)))
            for party in PARTIES
        }
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
    except BaseException:
        trio.stop(gently=False)
        raise
    return endpoint, trio


class ProcessTrio:
    """The three parties as child processes, each with a listening socket that it inherits."""

    def __init__(self) -> None:
        self._children: dict[Party, subprocess.Popen[bytes]] = {}
        self._logs: dict[Party, IO[bytes]] = {}
        self._addresses: dict[Party, tuple[str, int]] = {}
        self._fds: dict[Party, int] = {}
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        command = [sys.executable, "-c", "from tercet.client.serve import main; raise SystemExit(main())"]
        with ExitStack() as sockets:
            try:
                for party in PARTIES:
                    listener = sockets.enter_context(listen())
                    self._addresses[party] = listener.getsockname()[:2]
                    self._fds[party] = listener.fileno()
                    self._logs[party] = tempfile.TemporaryFile()  # noqa: SIM115
                    self._children[party] = subprocess.Popen(
                        command,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=self._logs[party],
                        pass_fds=[listener.fileno()],
                        env=environment,
                        process_group=0,
                    )
            except BaseException:
                self.stop(gently=False)
                raise

    @property
    def pids(self) -> dict[Party, int]:
        """The process ids, for tests that disturb them."""
        return {party: child.pid for party, child in self._children.items()}

    def address(self, peer: SessionPeer) -> tuple[str, int]:
        """Where a party listens."""
        return self._addresses[Party(int(peer))]

    def listener_fd(self, party: Party) -> int:
        """The number of the socket that the child inherited."""
        return self._fds[party]

    def instruct(self, party: Party, settings: PartySettings) -> None:
        """Hand a child its settings, keys included, over its standard input."""
        stdin = self._children[party].stdin
        assert stdin is not None
        with suppress(BrokenPipeError):  # it has ended, as `await_start` will find
            stdin.write(settings.encode())
            stdin.close()

    def await_start(self) -> None:
        """Wait until all have loaded. Raises ConfigError with what a child wrote, if it ended instead."""
        deadline = time.monotonic() + START_S
        for party, child in self._children.items():
            assert child.stdout is not None
            left = max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([child.stdout], [], [], left)
            if not readable:
                raise Unreachable(f"party {int(party)} did not start within {START_S:g} s", party=int(party))
            if child.stdout.read(1) != READY:
                child.wait()
                raise ConfigError(
                    f"the process of party {int(party)} ended at its start with status {child.returncode}:\n"
                    + self._log(party)
                )

    def stop(self, *, gently: bool) -> None:
        """End the children: by themselves, by SIGTERM, by SIGKILL; then let go of their pipes and logs.

        Without the client's connection they end by themselves; one that is stopped takes no SIGTERM.
        """
        children = list(self._children.values())
        _wait(children, _END_S if gently else _HURRY_S)
        for end in (subprocess.Popen.terminate, subprocess.Popen.kill):
            left = [child for child in children if child.poll() is None]
            for child in left:
                end(child)
            _wait(left, _HURRY_S if end is subprocess.Popen.terminate else _END_S)
        for child in children:
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
        for log in self._logs.values():
            log.close()

    def last_words(self) -> str:
        """The end of what each child logged."""
        return "\n".join(filter(None, (self._log(party) for party in self._children)))

    def _log(self, party: Party) -> str:
        log = self._logs[party]
        if log.closed:
            return ""
        size = log.seek(0, os.SEEK_END)
        log.seek(max(0, size - _LAST_WORDS_BYTES))
        return log.read().decode("utf-8", "replace").strip()


def _wait(children: list[subprocess.Popen[bytes]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, deadline - time.monotonic()))
