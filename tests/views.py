"""Exhaustive views: every draw of every stream takes every value once, all runs side by side in one array."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from tercet.ring import RING64, pack_fields, unpack_fields
from tercet.sharing import PARTIES, Party
from trio import Trio


class Tape:
    """In the place of all streams: the draw at the k-th new address is digit k of the number of the run.

    Each draw is of `bits` bits a run; there are 2^(bits * draws) runs. `draws` must be what the protocol uses.
    """

    def __init__(self, bits: int, draws: int) -> None:
        self.bits = bits
        self.draws = draws
        self.runs = 1 << (bits * draws)
        self.addresses: dict[tuple[Party, int, int, int], int] = {}

    def values(self, address: tuple[Party, int, int, int]) -> np.ndarray:
        place = self.addresses.setdefault(address, len(self.addresses))
        assert place < self.draws, "the protocol draws more often than expected"
        return (np.arange(self.runs) >> (self.bits * place)) & ((1 << self.bits) - 1)


class TapeStreams:
    def __init__(self, tape: Tape, party: Party) -> None:
        self.tape = tape
        self.held = (party, party.next)

    def fill(self, component: Party, instance: int, step: int, purpose: int, out: np.ndarray) -> None:
        assert component in self.held, "a party draws from a stream that it does not hold"
        values = self.tape.values((component, instance, step, purpose)).astype(np.uint64)
        packed = pack_fields(values, self.tape.bits)
        out[: packed.nbytes] = packed


def exhaustive_views(
    body: Callable[..., Any], inputs: dict[Party, Any], bits: int, draws: int, solo: Party
) -> tuple[dict[Party, Counter[tuple[int, ...]]], dict[Party, Any]]:
    """How often each party sees each (draws it knows, messages it receives), over all runs; and the results."""
    trio = Trio(0)
    tape = Tape(bits, draws)
    trio.streams = {party: TapeStreams(tape, party) for party in PARTIES}
    results = trio.run(body, inputs, solo=solo)
    assert len(tape.addresses) == draws, f"the protocol draws {len(tape.addresses)} times"
    views = {}
    for party in PARTIES:
        columns = [tape.values(address) for address in sorted(tape.addresses) if address[0] in (party, party.next)]
        for payload in trio.post.views[party]:
            fields = payload.nbytes * 8 // bits
            assert fields % tape.runs == 0
            unpacked = unpack_fields(payload, bits, fields, RING64).reshape(-1, tape.runs)
            columns.extend(unpacked.astype(np.int64))
        views[party] = Counter(map(tuple, np.array(columns).T.tolist()))
    return views, results
