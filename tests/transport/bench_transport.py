"""Speed of the transport between processes on this machine: `PYTHONPATH=src:tests python -m transport.bench_transport`.

For each spinning time given (default 100 us): one-way time of an 8-byte message between two parties, wall and CPU time
of a round among three (each sends to prev; each sends to both), and 100 MB both ways between two.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from socket import socket
from statistics import median

import numpy as np

from tercet.sharing import PARTIES, Party
from tercet.transport import Address, Contact, Element, Endpoint, Identity, SessionPeer, connect, listen

JOB = bytes(range(16))
WORD = np.zeros(1, np.uint64)
ROUNDS = 1000


class Bench:
    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.me = Party(endpoint.me)
        self.operation = 0

    def send(self, to: Party, payload: np.ndarray) -> None:
        self.endpoint.send(to, Address(JOB, self.operation, 0), Element.WORDS64, payload)

    def wait(self, frm: Party, nbytes: int = 8) -> None:
        address = Address(JOB, self.operation, 0)
        self.endpoint.expect(frm, address, Element.WORDS64, nbytes)
        while self.endpoint.take(frm, address) is None:
            if not self.endpoint.progress(20):
                raise TimeoutError

    def round(self, to_both: bool) -> None:
        self.operation += 1
        self.send(self.me.prev, WORD)
        if to_both:
            self.send(self.me.next, WORD)
            self.wait(self.me.prev)
        self.wait(self.me.next)

    def ping_pong(self) -> None:
        self.operation += 1
        if self.me == 1:
            self.send(Party.P2, WORD)
            self.wait(Party.P2)
        elif self.me == 2:
            self.wait(Party.P1)
            self.send(Party.P1, WORD)

    def bulk(self, payload: np.ndarray) -> float:
        self.round(True)
        self.operation += 1
        start = time.perf_counter()
        if self.me != 3:
            other = Party(3 - self.me)
            self.send(other, payload)
            self.wait(other, payload.nbytes)
            self.endpoint.flush(20)
        return time.perf_counter() - start

    def run(self) -> list[str]:
        for _ in range(100):
            self.round(True)
        lines = []
        pings = []
        for _ in range(3):
            start = time.perf_counter()
            for _ in range(ROUNDS):
                self.ping_pong()
            pings.append((time.perf_counter() - start) / ROUNDS / 2)
            self.round(True)
        lines.append(f"one way {median(pings) * 1e6:.0f} us")
        for to_both in (False, True):
            walls, cpus = [], []
            for _ in range(3):
                start, cpu = time.perf_counter(), time.process_time()
                for _ in range(ROUNDS):
                    self.round(to_both)
                walls.append((time.perf_counter() - start) / ROUNDS)
                cpus.append((time.process_time() - cpu) / ROUNDS)
            name = "both" if to_both else "prev"
            lines.append(f"round to {name} {median(walls) * 1e6:.0f} us ({median(cpus) * 1e6:.0f} us CPU)")
        payload = np.arange(12_500_000, dtype=np.uint64)
        times = sorted(self.bulk(payload) for _ in range(7))
        lines.append(f"100 MB both ways {times[3]:.3f} s (best {times[0]:.3f}), {0.2 / times[3]:.2f} GB/s in all")
        self.round(True)
        return lines


def party(
    me: SessionPeer,
    identity: Identity,
    contacts: Mapping[SessionPeer, Contact],
    listener: socket,
    pipe: Connection,
    spin_s: float,
) -> None:
    with connect(me, identity, contacts, listener=listener, spin_s=spin_s) as endpoint:
        endpoint.open_job(JOB)
        lines = Bench(endpoint).run()
        if me == 1:
            pipe.send(lines)


def main() -> None:
    context = multiprocessing.get_context("spawn")
    for spin_s in [float(word) * 1e-6 for word in sys.argv[1:]] or [100e-6]:
        peers = [SessionPeer(p) for p in PARTIES]
        identities = {peer: Identity.create(f"bench {peer}") for peer in peers}
        listeners = {peer: listen() for peer in peers}
        ours, theirs = context.Pipe()
        processes = []
        for me in peers:
            contacts = {
                peer: Contact(identities[peer].certificate, *listeners[peer].getsockname())
                for peer in peers
                if peer != me
            }
            arguments = (me, identities[me], contacts, listeners[me], theirs, spin_s)
            processes.append(context.Process(target=party, args=arguments, daemon=True))
        for process in processes:
            process.start()
        lines = ours.recv()
        for process in processes:
            process.join()
        print(f"spin {spin_s * 1e6:.0f} us:", "; ".join(lines))


if __name__ == "__main__":
    main()
