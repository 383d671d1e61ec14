"""Operations on secret bools, and between bools and numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tercet.plan.operation import (
    Attrs,
    Call,
    Constant,
    Flow,
    Operation,
    Plain,
    Scope,
    arity,
    boolean,
    broadcast,
    need,
    numeric,
)
from tercet.plan.types import Kind, Type, bool_type
from tercet.protocols.bits import bit_and, bit_and_cost, bit_xor
from tercet.protocols.compare import is_negative, is_negative_cost
from tercet.protocols.compare_pc3 import is_negative_pc3, is_negative_pc3_cost
from tercet.protocols.convert import bit_to_words, bit_to_words_cost, inject, inject_cost
from tercet.protocols.cost import Cost
from tercet.protocols.equality import is_zero, is_zero_cost, is_zero_hamming, is_zero_hamming_cost
from tercet.protocols.scope import Body
from tercet.ring import ring
from tercet.sharing import BitShare, Party, Share


def _infer_pair(inputs: Sequence[Type], attrs: Attrs) -> Type:
    arity(inputs, attrs, 2, 0)
    boolean(*inputs)
    need(inputs[0].shape == inputs[1].shape, f"shapes {inputs[0].shape} and {inputs[1].shape} differ")
    return inputs[0]


def _infer_not(inputs: Sequence[Type], attrs: Attrs) -> Type:
    arity(inputs, attrs, 1, 0)
    boolean(*inputs)
    return inputs[0]


def _infer_test(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: variant."""
    arity(inputs, attrs, 1, 1)
    numeric(*inputs)
    need(attrs[0] in (0, 1), f"variant {attrs[0]} is not known")
    return bool_type(inputs[0].shape)


def _difference_bits(a: Type, b: Type) -> int:
    return max((a.lo - b.hi).bit_length(), (a.hi - b.lo).bit_length()) + 1


def _infer_less(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: variant."""
    arity(inputs, attrs, 2, 1)
    a, b = inputs
    numeric(a, b)
    need(a.frac_bits == b.frac_bits, f"inputs have {a.frac_bits} and {b.frac_bits} fractional bits")
    bits = _difference_bits(a, b)
    need(bits <= a.ring, f"the difference of {a} and {b} needs {bits} bits")
    return bool_type(broadcast(a, b))


def _run_less(scope: Scope, call: Call, a: Share, b: Share) -> Body[BitShare]:
    words = a.ring
    difference = Share(words, words.sub(a.own, b.own), words.sub(a.next, b.next))
    protocol = is_negative_pc3 if call.attrs[0] else is_negative
    return protocol(scope, difference.flat(), _difference_bits(*call.inputs))


def _cost_less(call: Call) -> Cost:
    cost = is_negative_pc3_cost if call.attrs[0] else is_negative_cost
    return cost(call.out.size, _difference_bits(*call.inputs))


def _infer_number(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: ring, variant."""
    arity(inputs, attrs, 1, 2)
    boolean(*inputs)
    return Type(Kind.INT, inputs[0].shape, attrs[0], 0, 0, 0, 1)


def _infer_inject(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: variant."""
    arity(inputs, attrs, 2, 1)
    bit, x = inputs
    boolean(bit)
    numeric(x)
    need(bit.shape == x.shape, f"shapes {bit.shape} and {x.shape} differ")
    return x.with_bounds(min(0, x.lo), max(0, x.hi))


def _run_xor(scope: Scope, call: Call, x: BitShare, y: BitShare | Constant) -> BitShare:
    if isinstance(y, BitShare):
        return bit_xor(x, y)
    return _on_first(scope, x, y.words)


def _run_not(scope: Scope, call: Call, x: BitShare) -> BitShare:
    return _on_first(scope, x, np.full(x.own.shape, ~np.uint64(0)))


def _on_first(scope: Scope, x: BitShare, words: np.ndarray) -> BitShare:
    own = x.own ^ words if scope.party is Party.P1 else x.own
    return BitShare(x.count, own, x.next ^ words if scope.party.next is Party.P1 else x.next)


def _run_mask(scope: Scope, call: Call, x: BitShare, y: Constant) -> BitShare:
    return BitShare(x.count, x.own & y.words, x.next & y.words)


def _run_negative(scope: Scope, call: Call, x: Share) -> Body[BitShare]:
    protocol = is_negative_pc3 if call.attrs[0] else is_negative
    return protocol(scope, x.flat(), call.inputs[0].bits)


def _cost_negative(call: Call) -> Cost:
    cost = is_negative_pc3_cost if call.attrs[0] else is_negative_cost
    return cost(call.out.size, call.inputs[0].bits)


def _run_zero(scope: Scope, call: Call, x: Share) -> Body[BitShare]:
    protocol = is_zero_hamming if call.attrs[0] else is_zero
    return protocol(scope, x.flat(), call.inputs[0].bits)


def _cost_zero(call: Call) -> Cost:
    cost = is_zero_hamming_cost if call.attrs[0] else is_zero_cost
    return cost(call.out.size, call.inputs[0].bits)


def _run_number(scope: Scope, call: Call, x: BitShare) -> Body[Share]:
    result = yield from bit_to_words(scope, x, ring(call.attrs[0]), one_round=bool(call.attrs[1]))
    return result.reshape(call.out.shape)


def _run_inject(scope: Scope, call: Call, bit: BitShare, x: Share) -> Body[Share]:
    result = yield from inject(scope, bit, x.flat(), one_round=bool(call.attrs[0]))
    return result.reshape(call.out.shape)


def _plain(inputs: Sequence[Plain]) -> list[Plain]:
    return [np.asarray(x, dtype=bool) for x in inputs]


BITS = (
    Operation(
        "and",
        64,
        "x AND y",
        _infer_pair,
        lambda s, c, x, y: bit_and(s, x, y),
        lambda inputs, attrs, out: np.logical_and(*_plain(inputs)),
        lambda c: bit_and_cost((), c.out.size),
        local=False,
        protocol="replicated AND (Araki et al. 2016)",
        flow=Flow.EACH,
    ),
    Operation(
        "xor",
        65,
        "x XOR y",
        _infer_pair,
        _run_xor,
        lambda inputs, attrs, out: np.logical_xor(*_plain(inputs)),
        flow=Flow.EACH,
    ),
    Operation("not", 66, "NOT x", _infer_not, _run_not, lambda inputs, attrs, out: ~_plain(inputs)[0], flow=Flow.EACH),
    Operation(
        "mask",
        67,
        "x AND public bools",
        _infer_pair,
        _run_mask,
        lambda inputs, attrs, out: np.logical_and(*_plain(inputs)),
        flow=Flow.WEIGHED,
    ),
    Operation(
        "negative",
        68,
        "x < 0",
        _infer_test,
        _run_negative,
        lambda inputs, attrs, out: np.asarray(inputs[0] < 0, dtype=bool),
        _cost_negative,
        local=False,
        variants=True,
        protocol="radix-16 table leaf and carry tree; PC-3 (after Damgard et al. 2007, SecureNN 2019)",
        flow=Flow.EACH,
    ),
    Operation(
        "less",
        72,
        "x < y, over the whole range of both",
        _infer_less,
        _run_less,
        lambda inputs, attrs, out: np.asarray(inputs[0] < inputs[1], dtype=bool),
        _cost_less,
        local=False,
        variants=True,
        protocol="as negative, on the difference",
        flow=Flow.EACH,
    ),
    Operation(
        "is_zero",
        69,
        "x == 0",
        _infer_test,
        _run_zero,
        lambda inputs, attrs, out: np.asarray(inputs[0] == 0, dtype=bool),
        _cost_zero,
        local=False,
        variants=True,
        protocol="AND tree; Hamming distance and one-hot",
        flow=Flow.EACH,
    ),
    Operation(
        "number",
        70,
        "1 where x, else 0",
        _infer_number,
        _run_number,
        lambda inputs, attrs, out: _plain(inputs)[0].astype(object) * 1,
        lambda c: bit_to_words_cost(c.ring, c.out.size, one_round=bool(c.attrs[1])),
        local=False,
        variants=True,
        protocol="one cross term",
        flow=Flow.EACH,
    ),
    Operation(
        "inject",
        71,
        "x where the bit is set, else 0",
        _infer_inject,
        _run_inject,
        lambda inputs, attrs, out: np.asarray(np.where(_plain(inputs[:1])[0], inputs[1], 0), dtype=object),
        lambda c: inject_cost(c.ring, c.out.size, one_round=bool(c.attrs[0])),
        local=False,
        variants=True,
        protocol="three cross terms (bit injection)",
        flow=Flow.EACH,
    ),
)
