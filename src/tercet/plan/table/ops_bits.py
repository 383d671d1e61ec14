"""Operations on secret bools, and between bools and numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tercet.plan.table.attributes import Attributes, Bounds, RingBits
from tercet.plan.table.operation import (
    Algebra,
    Bounding,
    Call,
    Constant,
    Flow,
    Operation,
    Plain,
    Variant,
    arity,
    boolean,
    broadcast,
    by_rounds,
    fewer,
    need,
    numeric,
    one_number,
    only,
    shaped,
    two_numbers,
)
from tercet.plan.types import Type, ValueKind, bool_type, limit, magnitude
from tercet.protocols.bits import bit_and, bit_and_cost, bit_xor
from tercet.protocols.compare import is_negative, is_negative_cost
from tercet.protocols.compare_pc3 import is_negative_pc3, is_negative_pc3_cost
from tercet.protocols.convert import bit_to_words, bit_to_words_cost, inject, inject_cost
from tercet.protocols.cost import Cost
from tercet.protocols.equality import is_zero, is_zero_cost, is_zero_hamming, is_zero_hamming_cost
from tercet.protocols.range_check import clip, clip_cost
from tercet.protocols.scope import Body, Scope
from tercet.sharing import BitShare, Party, Share


def _infer_pair(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 2)
    boolean(*inputs)
    need(inputs[0].shape == inputs[1].shape, f"shapes {inputs[0].shape} and {inputs[1].shape} differ")
    return inputs[0]


def _infer_not(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 1)
    boolean(*inputs)
    return inputs[0]


@one_number
def _infer_test(x: Type, attrs: Attributes) -> Type:
    return bool_type(x.shape)


def difference_bits(a: Type, b: Type) -> int:
    return max((a.lo - b.hi).bit_length(), (a.hi - b.lo).bit_length()) + 1


@two_numbers
def _infer_less(a: Type, b: Type, attrs: Attributes) -> Type:
    need(a.frac_bits == b.frac_bits, f"inputs have {a.frac_bits} and {b.frac_bits} fractional bits")
    bits = difference_bits(a, b)
    need(bits <= a.ring, f"the difference of {a} and {b} needs {bits} bits")
    return bool_type(broadcast(a, b))


_Test = tuple[Callable[..., Body[BitShare]], Callable[[int, int], Cost]]
"""A protocol that tests numbers, and its cost for so many of so many bits."""
_NEGATIVE: tuple[_Test, _Test] = ((is_negative, is_negative_cost), (is_negative_pc3, is_negative_pc3_cost))
_ZERO: tuple[_Test, _Test] = ((is_zero, is_zero_cost), (is_zero_hamming, is_zero_hamming_cost))


def _difference(a: Share, b: Share) -> Share:
    return Share(a.ring, a.ring.sub(a.own, b.own), a.ring.sub(a.next, b.next))


def _tests(tests: tuple[_Test, _Test]) -> tuple[Variant, Variant]:
    """Variants that test one array, or the difference of two."""

    def bits(call: Call[Attributes]) -> int:
        return difference_bits(*call.inputs) if len(call.inputs) > 1 else call.inputs[0].bits

    def variant(test: _Test) -> tuple[Callable[..., Body[BitShare]], Callable[[Call[Attributes]], Cost]]:
        def run(scope: Scope, call: Call[Attributes], *x: Share) -> Body[BitShare]:
            tested = x[0] if len(x) == 1 else _difference(*x)
            return test[0](scope, tested.flat(), bits(call))

        return run, lambda call: test[1](call.out.size, bits(call))

    return fewer(*variant(tests[0]), *variant(tests[1]))


def _infer_number(inputs: Sequence[Type], attrs: RingBits) -> Type:
    arity(inputs, 1)
    boolean(*inputs)
    return Type(ValueKind.INT, inputs[0].shape, attrs.ring, 0, 0, 0, 1)


def _infer_inject(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 2)
    bit, x = inputs
    boolean(bit)
    numeric(x)
    need(bit.shape == x.shape, f"shapes {bit.shape} and {x.shape} differ")
    return x.with_bounds(min(0, x.lo), max(0, x.hi))


def _run_xor(scope: Scope, call: Call[Attributes], x: BitShare, y: BitShare | Constant) -> BitShare:
    if isinstance(y, BitShare):
        return bit_xor(x, y)
    return _on_first(scope, x, y.words)


def _on_first(scope: Scope, x: BitShare, words: np.ndarray) -> BitShare:
    own = x.own ^ words if scope.party is Party.P1 else x.own
    return BitShare(x.count, own, x.next ^ words if scope.party.next is Party.P1 else x.next)


@one_number
def _infer_clip(x: Type, attrs: Bounds) -> Type:
    lo, hi = attrs.lo, attrs.hi
    need(lo <= hi and magnitude(lo, hi) < limit(x.ring), f"bounds [{lo}, {hi}] are empty or fit no ring")
    return replace(x, lo=lo, hi=hi, claimed=False)


def _plain(inputs: Sequence[Plain]) -> list[Plain]:
    return [np.asarray(x, dtype=bool) for x in inputs]


def _clipped(x: Plain, lo: int, hi: int) -> Plain:
    ends = (np.asarray(end, dtype=object) for end in (lo, hi))
    return np.asarray(np.minimum(np.maximum(x, next(ends)), next(ends)), dtype=object)


BITS: tuple[Operation[Any], ...] = (
    Operation(
        "clip",
        73,
        "x drawn in to bounds, which hold then whatever x is",
        Bounds,
        _infer_clip,
        only(
            lambda s, c, x: shaped(c, clip(s, x.flat(), c.attrs.lo, c.attrs.hi)),
            lambda c: clip_cost(c.ring, c.out.size),
        ),
        lambda inputs, attrs, out: _clipped(np.asarray(inputs[0], dtype=object), attrs.lo, attrs.hi),
        protocol="two comparisons of the whole word, one AND, bit injection",
        rows=Flow.EACH,
        bounds=Bounding.ENFORCED,
    ),
    Operation(
        "and",
        64,
        "x AND y",
        Attributes,
        _infer_pair,
        only(lambda s, c, x, y: bit_and(s, x, y), lambda c: bit_and_cost((), c.out.size)),
        lambda inputs, attrs, out: np.logical_and(*_plain(inputs)),
        protocol="replicated AND (Araki et al. 2016)",
        rows=Flow.EACH,
        algebra=Algebra.AND,
    ),
    Operation(
        "xor",
        65,
        "x XOR y",
        Attributes,
        _infer_pair,
        only(_run_xor),
        lambda inputs, attrs, out: np.logical_xor(*_plain(inputs)),
        rows=Flow.DIFFERENCE,
        algebra=Algebra.XOR,
        public=(1,),
    ),
    Operation(
        "not",
        66,
        "NOT x",
        Attributes,
        _infer_not,
        only(lambda s, c, x: _on_first(s, x, np.full(x.own.shape, ~np.uint64(0)))),
        lambda inputs, attrs, out: ~_plain(inputs)[0],
        rows=Flow.EACH,
        algebra=Algebra.NOT,
    ),
    Operation(
        "mask",
        67,
        "x AND public bools",
        Attributes,
        _infer_pair,
        only(lambda s, c, x, y: BitShare(x.count, x.own & y.words, x.next & y.words)),
        lambda inputs, attrs, out: np.logical_and(*_plain(inputs)),
        rows=Flow.WEIGHED,
        public=(1,),
        needs_public=True,
    ),
    Operation(
        "negative",
        68,
        "x < 0",
        Attributes,
        _infer_test,
        _tests(_NEGATIVE),
        lambda inputs, attrs, out: np.asarray(inputs[0] < 0, dtype=bool),
        protocol="radix-16 table leaf and carry tree; PC-3 (after Damgard et al. 2007, SecureNN 2019)",
        rows=Flow.EACH,
        algebra=Algebra.SIGN,
    ),
    Operation(
        "less",
        72,
        "x < y, over the whole range of both",
        Attributes,
        _infer_less,
        _tests(_NEGATIVE),
        lambda inputs, attrs, out: np.asarray(inputs[0] < inputs[1], dtype=bool),
        protocol="as negative, on the difference",
        rows=Flow.EACH,
    ),
    Operation(
        "is_zero",
        69,
        "x == 0",
        Attributes,
        _infer_test,
        _tests(_ZERO),
        lambda inputs, attrs, out: np.asarray(inputs[0] == 0, dtype=bool),
        protocol="AND tree; Hamming distance and one-hot",
        rows=Flow.EACH,
        algebra=Algebra.ZERO,
    ),
    Operation(
        "number",
        70,
        "1 where x, else 0",
        RingBits,
        _infer_number,
        by_rounds(
            lambda s, c, x, one_round: shaped(c, bit_to_words(s, x, c.ring, one_round=one_round)),
            lambda c, one_round: bit_to_words_cost(c.ring, c.out.size, one_round=one_round),
        ),
        lambda inputs, attrs, out: _plain(inputs)[0].astype(object) * 1,
        protocol="one cross term",
        rows=Flow.EACH,
        algebra=Algebra.NUMBER,
    ),
    Operation(
        "inject",
        71,
        "x where the bit is set, else 0",
        Attributes,
        _infer_inject,
        by_rounds(
            lambda s, c, bit, x, one_round: shaped(c, inject(s, bit, x.flat(), one_round=one_round)),
            lambda c, one_round: inject_cost(c.ring, c.out.size, one_round=one_round),
        ),
        lambda inputs, attrs, out: np.where(_plain(inputs[:1])[0], np.asarray(inputs[1], dtype=object), 0),
        protocol="three cross terms (bit injection)",
        rows=Flow.EACH,
        algebra=Algebra.WHERE,
    ),
)
