"""The engine in test mode: three parties in one process, one operation after the other, whose common coin is such that
the pair-and-solo form of element k of an operation is U and v - U, with U = `words.coin(place, k)`.

Before each operation its operands are shared anew, and after it the result is opened; what is compared with the
reference is each operation as a function of words, at every place, under every cut and every solo party.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from model import words
from model.words import Place, Words
from tercet.plan.plan import Plan, PlanOperation, operand_handle, result_of
from tercet.plan.run.execute import constant
from tercet.plan.run.passes import Passes, Streamed
from tercet.plan.run.pieces import Piece
from tercet.plan.types import Type
from tercet.protocols import truncate
from tercet.protocols.product import Split, fresh_split_form, split_form
from tercet.protocols.scope import ProtocolRole, Scope
from tercet.protocols.shuffle import place_bits
from tercet.ring import ring
from tercet.sharing import PARTIES, Party, Share
from trio import PostChannel, Trio

Where = Any
"""From the place of an operation and the number of an element there, to those in the whole plan."""


class Board:
    """What the patched coin knows of the operand that is rounded or lifted at present."""

    def __init__(self) -> None:
        self.place: Place = ()
        self.elements: list[int] = []
        self.values: list[int] = []
        self.index: dict[Party, dict[bytes, int]] = {}

    def pin(self, shares: dict[Party, Share], values: Words, place: Place, elements: list[int]) -> None:
        self.place, self.elements = place, elements
        self.values = [int(v) for v in values.reshape(-1)]
        self.index = {
            party: {word.tobytes(): k for k, word in enumerate(shares[party].own.reshape(-1))} for party in PARTIES
        }
        assert all(len(found) == len(self.values) for found in self.index.values()), "shares of two elements are alike"

    def form(self, scope: Scope, x: Share) -> Split:
        """In the place of `fresh_split_form`; where nothing is pinned (lifts inside a sum in blocks), as that."""
        if not self.index:
            return fresh_split_form(scope, x)
        assert split_form(scope, x).value.shape == x.shape
        found = [self.index[scope.party][word.tobytes()] for word in x.own.reshape(-1)]
        coins = [words.coin(self.place, self.elements[k], x.ring.bits) for k in found]
        if scope.role is ProtocolRole.D:
            coins = [(self.values[k] - u) % (1 << x.ring.bits) for k, u in zip(found, coins, strict=True)]
        signed = words.signed(np.array([*coins, None], dtype=object)[:-1], x.ring.bits)
        return Split(x.ring, x.ring.from_ints(signed).reshape(x.shape))


@contextmanager
def test_mode(monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    board = Board()
    with monkeypatch.context() as patch:
        patch.setattr(truncate, "fresh_split_form", board.form)
        yield board


test_mode.__test__ = False  # type: ignore[attr-defined]


def shared(trio: Trio, values: Words, t: Type) -> dict[Party, Any]:
    if t.is_bool:
        return trio.share_bits(values.reshape(-1))
    return trio.share(ring(t.ring), words.signed(values, t.ring))


def opened(parts: dict[Party, Any], t: Type) -> Words:
    if t.is_bool:
        return Trio.open_bits(parts).reshape(t.shape)
    ring_bits = place_bits(t.shape[-1]) if t.is_permutation else t.ring
    return words.modulo(np.asarray(Trio.open(parts), dtype=object), ring_bits).reshape(t.shape)


class Engine:
    """Runs plans of words, whole or in partitions."""

    def __init__(self, board: Board, seed: int, *, balance: bool) -> None:
        self.board = board
        self.trio = Trio(seed, balance=balance)
        self._solo = seed

    def whole(self, plan: Plan, inputs: Mapping[bytes, Words]) -> dict[int, Words]:
        """The words of every value but public ones, by its number."""
        return self._plan(plan, inputs, (), lambda index, size: (index, list(range(size))))

    def _plan(self, plan: Plan, inputs: Mapping[bytes, Words], place: Place, where: Where) -> dict[int, Words]:
        values: dict[int, Words] = {}
        for index, op in enumerate(plan.operations):
            if op.is_input:
                values[index] = inputs[op.data]
            elif op.body is not None:
                origin, _ = where(index, 0)
                found = self._loop(op, [values[value] for value in op.inputs], (*place, origin))
                values |= {result_of(index, k): value for k, value in enumerate(found)}
            elif not op.is_constant:
                values[index] = self._one(plan, index, values, place, where)
        return values

    def _loop(self, op: PlanOperation, given: list[Words], place: Place) -> list[Words]:
        assert op.body is not None
        count, carried = op.attrs.count, op.attrs.carried
        for number in range(count):
            here = {operand_handle(k): value for k, value in enumerate(given)}
            found = self._plan(op.body, here, (*place, number), lambda index, size: (index, list(range(size))))
            given[:carried] = [found[output.value] for output in op.body.outputs]
        return given[:carried]

    def _one(self, plan: Plan, index: int, values: dict[int, Words], place: Place, where: Where) -> Words:
        op, call = plan.operations[index], plan.call(index)
        given = [
            constant(plan.maker(value))
            if plan.maker(value).is_constant
            else shared(self.trio, values[value], plan.type_of(value))
            for value in op.inputs
        ]
        if op.operation.name in ("rescale", "round", "lift"):
            origin, elements = where(index, op.type.size)
            self.board.pin(given[0], values[op.inputs[0]], (*place, origin), elements)
        else:
            self.board.index = {}
        self._solo += 1
        if op.operation.local:
            results = {}
            for party in PARTIES:
                channel = PostChannel(self.trio.post, party)
                scope = Scope(party, self.trio.streams[party], channel, 0, solo=PARTIES[0])
                mine = [value[party] if isinstance(value, dict) else value for value in given]
                results[party] = op.operation.run(scope, call, *mine)
        else:
            body = lambda scope, *mine: op.operation.run(scope, call, *mine)
            results = self.trio.run(body, *given, solo=PARTIES[self._solo % 3])
        return opened(results, op.type)

    def streamed(self, found: Streamed, inputs: Mapping[bytes, Words], partition_rows: int) -> dict[int, Words]:
        """The words of what passes between the pieces of a plan that is cut, and of its outputs, by operation."""
        cut = found.pieces.cut
        known: dict[int, Words] = {}

        def free(index: int) -> Words:
            if index not in known:
                op = found.plan.maker(index)
                handle = cut.stored_sums.get(index)
                stored = inputs[handle or op.data]
                known[index] = words.modulo(stored.sum(), op.type.ring) if handle else stored
            return known[index]

        passes = Passes(found, partition_rows)
        for stage in passes.stages:
            if not stage.pass_number:
                piece = stage.piece
                given = {piece.plan.operations[at].data: free(index) for at, index in piece.values.items()}
                origin = piece.origin
                values = self._plan(piece.plan, given, (), lambda k, size, o=origin: (o[k], list(range(size))))
                for index, output in zip(piece.results, piece.plan.outputs, strict=True):
                    known[index] = values[output.value]
                continue
            parts: dict[int, list[Words]] = {}
            for start, stop in passes.partitions():
                piece = found.pieces.partition(stage.pass_number, start, stop)
                given = {handle: inputs[handle][start:stop] for handle in piece.rows.values()}
                given |= {piece.plan.operations[at].data: free(index) for at, index in piece.values.items()}
                values = self._plan(piece.plan, given, (), self._somewhere(found, piece, start, stop))
                for index, output in zip(piece.results, piece.plan.outputs, strict=True):
                    parts.setdefault(index, []).append(values[output.value])
            for index, several in parts.items():
                axis, t = cut.axis_of(index), found.plan.type_of(index)
                if axis is not None:
                    known[index] = np.concatenate(several, axis=len(t.shape) - 1 - axis)
                else:
                    known[index] = words.modulo(sum(several), t.ring)
        for output in found.plan.outputs:
            free(output.value)
        return known

    @staticmethod
    def _somewhere(found: Streamed, piece: Piece, start: int, stop: int) -> Where:
        """Elements of a piece's values among those of the whole plan's."""

        def where(index: int, size: int) -> tuple[int, list[int]]:
            origin = piece.origin[index]
            shape, here = found.plan.operations[origin].type.shape, piece.plan.operations[index].type.shape
            numbers = np.arange(int(np.prod(shape, dtype=int))).reshape(shape)
            if here != shape:
                axis = len(shape) - 1 - found.pieces.cut.along[origin].axis
                numbers = numbers[(*[slice(None)] * axis, slice(start, stop))]
            assert numbers.shape == here and numbers.size == size
            return origin, numbers.reshape(-1).tolist()

        return where
