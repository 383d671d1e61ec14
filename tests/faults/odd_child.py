"""A node that is odd in a way that its operator does not know of; else as node_child.py.

    python odd_child.py ODDITY,... NODE_TOML LISTENER_FD READY_FD LANE_FDS

clock=SECONDS  its clock is so far ahead
protocol=N     it announces, and speaks, another version of the protocol between nodes
verdict=FILE   coordinating, it tells the nodes named in such a file beside its settings that a change is aborted,
               before (or, if the file says late, after) it tells the others that it is committed
refusal=FILE   while there is such a file beside its settings, it ends the jobs that start as refused by node b, also
               in b's name to the other nodes
head=FILE      while there is such a file beside its settings, it shows the first entry of its audit as the newest
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))


def shift_clock(seconds: float) -> None:
    """Before anything of the package is imported: all of it takes its time from here."""
    real = time.time
    time.time = lambda: real() + seconds


def speak_protocol(number: str) -> None:
    from tercet.federation import api_peer
    from tercet.node import parts, peers
    from tercet.node.http import access

    peers.PROTOCOL = access.PROTOCOL = number

    class Hello(api_peer.Hello):
        protocol: int = int(number)  # type: ignore[assignment]

    parts.Hello = Hello  # type: ignore[attr-defined,misc]


def show_old_head(file: str, folder: Path) -> None:
    from tercet.federation.api_peer import SignedHead
    from tercet.federation.identity import KeyPurpose, encode_base64url
    from tercet.store.audit import Audit, head_message

    honest = Audit.head

    def head(audit: Any) -> SignedHead:
        if not (folder / file).exists():
            return honest(audit)
        (entry,) = audit.entries(1, 1)
        name, moment = audit._member.card.name, time.time()
        signature = audit._member.sign(KeyPurpose.HEAD, head_message(name, 1, entry.hash, moment, 0.0))
        return SignedHead(
            node=name, number=1, hash=entry.hash, time=moment, started=0.0, signature=encode_base64url(signature)
        )

    Audit.head = head  # type: ignore[method-assign]


def say_two_things(file: str) -> None:
    from tercet.federation.api_peer import Abort
    from tercet.node.changes.coordinator import Transactions
    from tercet.node.changes.participant import Verdicts

    honest = Transactions._tell

    def victims(context: Any) -> list[str]:
        path = context.settings.base / file
        return path.read_text().split() if path.exists() else []

    def _tell(self: Any, transaction: str, body: bytes) -> None:
        peers = self._peers
        lied_to = victims(self._context)
        if not lied_to:
            honest(self, transaction, body)
            return
        abort = Abort(verdict=Verdicts.aborted(self._verdicts, transaction), reason="a lie").to_json()
        first = "late" not in lied_to
        for wanted in (first, not first):
            for party in peers.others:
                if (peers.name(party) in lied_to) is wanted:
                    self._tell_one(party, transaction, *(("abort", abort) if wanted else ("commit", body)))
        for party in peers.others:
            self._store.changes.told(transaction, party)

    Transactions._tell = _tell  # type: ignore[method-assign]


def speak_for_another(file: str) -> None:
    from tercet.federation.api import ErrorBody
    from tercet.federation.api_peer import JobCancel, Noted
    from tercet.federation.statements import sign_end
    from tercet.node.jobs.jobs import Jobs

    honest = Jobs.start_here

    def start_here(self: Any, job: str, start: Any) -> None:
        context, live = self._context, self.ledger.get(job)
        if not (context.settings.base / file).exists():
            honest(self, job, start)
            return
        identity = context.identity
        error = ErrorBody(error="refused", message="b does not let the job through", node="b", rule="none")
        end = sign_end(identity.member, identity.federation.id, job, live.hash, "refused", error)
        forged = JobCancel(end=end.model_copy(update={"signer": "b"}))
        for party in identity.others:
            self._peers.ask(party, "POST", f"/peer/jobs/{job}/cancel", Noted, forged)
        self.ends.end_here(job, end)

    Jobs.start_here = start_here  # type: ignore[method-assign]


def main(oddities: str, settings: str, listener: str, ready: str, lanes: str) -> None:
    for oddity in oddities.split(","):
        kind, _, value = oddity.partition("=")
        if kind == "clock":
            shift_clock(float(value))
        elif kind == "refusal":
            speak_for_another(value)
        elif kind == "verdict":
            say_two_things(value)
        elif kind == "head":
            show_old_head(value, Path(settings).parent)
        else:
            speak_protocol(value)
    from node.zygote import run_node

    run_node(Path(settings), int(listener), int(ready), [int(lane) for lane in lanes.split(",")], [])


if __name__ == "__main__":
    main(*sys.argv[1:])
