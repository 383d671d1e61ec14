"""A node that is odd in a way that its operator does not know of; else as node_child.py.

    python odd_child.py ODDITY,... NODE_TOML LISTENER_FD READY_FD LANE_FDS

clock=SECONDS  its clock is so far ahead
protocol=N     it announces, and speaks, another version of the protocol between nodes
head=FILE      while there is such a file beside its settings, it shows the first entry of its audit as the newest
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


def shift_clock(seconds: float) -> None:
    """Before anything of the package is imported: all of it takes its time from here."""
    real = time.time
    time.time = lambda: real() + seconds


def speak_protocol(number: str) -> None:
    from tercet.federation import api_peer
    from tercet.node import access, supervisor

    access.PROTOCOL = number

    class Hello(api_peer.Hello):
        protocol: int = int(number)  # type: ignore[assignment]

    supervisor.Hello = Hello  # type: ignore[attr-defined,misc]


def show_old_head(file: str) -> None:
    from tercet.federation.api_peer import SignedHead
    from tercet.federation.identity import Purpose, encode_base64url
    from tercet.node.supervisor import Node
    from tercet.store.audit import head_message

    honest = Node.signed_head

    def signed_head(node: Node) -> SignedHead:
        if not (node.settings.base / file).exists():
            return honest(node)
        (entry,) = node.audit.entries(1, 1)
        name, moment = node.settings.name, node.now()
        signature = node.member.sign(Purpose.HEAD, head_message(name, 1, entry.hash, moment))
        return SignedHead(node=name, number=1, hash=entry.hash, time=moment, signature=encode_base64url(signature))

    Node.signed_head = signed_head  # type: ignore[method-assign]


def main(oddities: str, settings: str, listener: str, ready: str, lanes: str) -> None:
    for oddity in oddities.split(","):
        kind, _, value = oddity.partition("=")
        if kind == "clock":
            shift_clock(float(value))
        elif kind == "head":
            show_old_head(value)
        else:
            speak_protocol(value)
    from node.zygote import run_node

    run_node(Path(settings), int(listener), int(ready), [int(lane) for lane in lanes.split(",")], [])


if __name__ == "__main__":
    main(*sys.argv[1:])
