"""Exhaustive views: every draw of every stream takes every value once, all runs side by side in one array."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from tercet.ring import RING64, pack_fields, unpack_fields
from tercet.sharing import ALL, PARTIES, Party
from trio import Trio


class Tape:
    """In the place of all streams: every draw at a new address takes the next digits of the number of the run.

    A digit has `bits` bits; a draw takes one for each row that it fills. There are 2^(bits * digits) runs, or 64
    if that is more, each of them then as often as the others. `digits` must be what the protocol draws.
    """

    def __init__(self, bits: int, digits: int) -> None:
        self.bits = bits
        self.digits = digits
        self.runs = max(64, 1 << (bits * digits))
        self.used = 0
        self.addresses: dict[tuple[int, int, int, int], range] = {}

    def places(self, address: tuple[int, int, int, int], rows: int) -> range:
        if address not in self.addresses:
            self.addresses[address] = range(self.used, self.used + rows)
            self.used += rows
        assert len(self.addresses[address]) == rows and self.used <= self.digits, "more draws than expected"
        return self.addresses[address]

    def values(self, place: int) -> np.ndarray:
        return (np.arange(self.runs) >> (self.bits * place)) & ((1 << self.bits) - 1)


class TapeStreams:
    def __init__(self, tape: Tape, party: Party) -> None:
        self.tape = tape
        self.held = (party, party.next, ALL)

    def fill(self, component: int, instance: int, step: int, purpose: int, out: np.ndarray) -> None:
        assert component in self.held, "a party draws from a stream that it does not hold"
        rows = out.nbytes * 8 // (self.tape.bits * self.tape.runs)
        places = self.tape.places((component, instance, step, purpose), rows)
        values = np.concatenate([self.tape.values(place) for place in places]).astype(np.uint64)
        out[...] = pack_fields(values, self.tape.bits)


def exhaustive_views(
    body: Callable[..., Any], inputs: dict[Party, Any], bits: int, draws: int, solo: Party
) -> tuple[dict[Party, Counter[tuple[int, ...]]], dict[Party, Any]]:
    """How often each party sees each (draws it knows, messages it receives), over all runs; and the results."""
    trio = Trio(0)
    tape = Tape(bits, draws)
    trio.streams = {party: TapeStreams(tape, party) for party in PARTIES}
    results = trio.run(body, inputs, solo=solo)
    assert tape.used == draws, f"the protocol draws {tape.used} times"
    views = {}
    for party in PARTIES:
        known = [places for address, places in sorted(tape.addresses.items()) if address[0] in (party, party.next, ALL)]
        columns = [tape.values(place) for places in known for place in places]
        for payload in trio.post.views[party]:
            fields = payload.nbytes * 8 // bits
            assert fields % tape.runs == 0
            unpacked = unpack_fields(payload, bits, fields, RING64).reshape(-1, tape.runs)
            columns.extend(unpacked.astype(np.int64))
        views[party] = Counter(map(tuple, np.array(columns).T.tolist()))
    return views, results
