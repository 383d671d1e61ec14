"""Chapter "Multiply": the table of nine products, who computes which, and the three masked messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from tercet.protocols.product import multiply
from tercet.protocols.scope import Pair, ProtocolRole
from tercet.ring import RING64, Array
from tercet.sharing import Party, Share
from tercet.web.play.parties import Held, ShownParties, as_numbers, put_together, share_out
from tercet.web.play.split import FromPage, Modest, shown

_TABLE: Mapping[tuple[Pair, Pair], ProtocolRole] = {
    (Pair.AB, Pair.AB): ProtocolRole.A,
    (Pair.AB, Pair.AD): ProtocolRole.A,
    (Pair.AD, Pair.AB): ProtocolRole.A,
    (Pair.AB, Pair.BD): ProtocolRole.B,
    (Pair.BD, Pair.AB): ProtocolRole.B,
    (Pair.AD, Pair.AD): ProtocolRole.D,
    (Pair.AD, Pair.BD): ProtocolRole.D,
    (Pair.BD, Pair.AD): ProtocolRole.D,
    (Pair.BD, Pair.BD): ProtocolRole.D,
}
"""Which role adds up which product of a component of a and one of b: what the kernels product_a, _b and _d do."""


class TwoNumbers(FromPage):
    a: Modest
    b: Modest


def party_of(role: ProtocolRole, solo: Party) -> Party:
    """Who has a role where `solo` is D: A is next to D, B before it."""
    return {ProtocolRole.D: solo, ProtocolRole.A: solo.next, ProtocolRole.B: solo.prev}[role]


def component_of(pair: Pair, solo: Party) -> Party:
    """The number of the component that two roles know."""
    return {Pair.BD: solo, Pair.AD: solo.next, Pair.AB: solo.prev}[pair]


def _held(share: Share, party: Party, component: Party) -> Array:
    return share.own if component is party else share.next


def products(a: Held, b: Held, solo: Party) -> list[dict[str, Any]]:
    """The nine products, each computed from what the party holds that adds it up in this job."""
    found = []
    for (row, column), role in _TABLE.items():
        r, c, party = component_of(row, solo), component_of(column, solo), party_of(role, solo)
        value = RING64.mul(_held(a[party], party, r), _held(b[party], party, c))
        found.append({"row": int(r), "column": int(c), "by": int(party), "value": as_numbers(value)[0]})
    return sorted(found, key=lambda one: (one["row"], one["column"]))


def multiply_routes(parties: ShownParties) -> APIRouter:
    """The route of the chapter, below /api/."""
    routes = APIRouter(prefix="/api")

    @routes.post("/multiply")
    def multiplied(asked: TwoNumbers) -> dict[str, Any]:
        a, b = share_out([asked.a]), share_out([asked.b])
        done = parties.run("multiply", multiply, a, b)
        return {
            "a": shown(a),
            "b": shown(b),
            "table": products(a, b, done.solo),
            "messages": [
                {
                    "from": int(message.frm),
                    "to": int(message.to),
                    "value": str(int.from_bytes(message.payload, "little")),
                    "mask": int(message.frm if message.to is message.frm.next else message.frm.next),
                }
                for message in done.messages
            ],
            "result": shown(done.results),
            "together": str(put_together(done.results)[0]),
        }

    return routes
