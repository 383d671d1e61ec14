"""Random plans in which bounds are stated at every place where they can be, mostly false ones; and words for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tercet.errors import PlanError
from tercet.plan.network import Network
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record import build, counting, logic
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.graph import Graph, LoopBody, Recorded
from tercet.plan.record.public import number_constant
from tercet.plan.record.windows import convolve
from tercet.plan.table.attributes import (
    Axes,
    Axis,
    BitCount,
    Bounds,
    NewShape,
    Normalisation,
    Rounding,
    Scale,
    Shift,
    StatedBounds,
    Undoing,
    Windows,
)
from tercet.plan.table.reasons import FIRST_DECLARED
from tercet.plan.types import Type, ValueKind, bool_type, limit
from tercet.ring import ConvolutionArray

MAX_SIZE = 2000
SHAPE_ROWS = 150

REASON_NUMBERS = (0, 1, 2, 3, FIRST_DECLARED, 5, 6, 7, 8)


@dataclass
class Drawn:
    plan: Plan
    inputs: dict[bytes, Any]
    rows: int


def draw(seed: int, network: Network, *, operations: int = 14, claims: int = 0, rows: int = SHAPE_ROWS) -> Drawn:
    """A plan and words. The same `seed` with other `claims` is the same plan with other claims of the same widths."""
    rng, other = np.random.default_rng(seed), np.random.default_rng([seed, claims])
    graph = Graph()
    inputs: dict[bytes, Any] = {}
    values: list[Recorded] = []
    for number in range(3):
        handle = bytes([number + 1]) * 16
        frac = int(rng.choice([0, 8, 20]))
        kind = ValueKind.FIXED if frac else ValueKind.INT
        top = 1 << int(rng.integers(2, 40))
        t = Type(kind, (rows,), 64, frac, int(rng.integers(0, frac + 1)), -top + _less(other, top), top)
        values.append(graph.input(handle, replace(t, claimed=True)))
        inputs[handle] = _words(rng, rows, 64, top)
    handle = b"f" * 16
    values.append(graph.input(handle, bool_type((rows,))))
    inputs[handle] = rng.random(rows) < 0.5
    for _ in range(operations):
        name = str(rng.choice(sorted(MAKERS)))
        x, y = (values[len(values) - 1 - int(min(rng.integers(len(values), size=2)))] for _ in range(2))
        try:
            found = MAKERS[name](rng, other, x, y)
        except (PlanError, ValueError, IndexError):  # no such operation on these shapes
            continue
        if found.type.size <= MAX_SIZE and not found.is_constant:
            values.append(found)
    wanted = [Wanted(v, OutputKind.PERSIST, k.to_bytes(16, "big")) for k, v in enumerate(values)]
    return Drawn(compile_plan(wanted, network), inputs, rows)


def _less(other: Any, top: int) -> int:
    """A little, so that bounds differ and their bits do not."""
    return int(other.integers(0, max(1, min(top // 4, 1 << 30))))


def _words(rng: Any, count: int, ring: int, top: int) -> Any:
    """Uniform words, words within what is said, a little beyond 2^62, -1, and the edges."""
    made = []
    for which in rng.integers(0, 6, count):
        anything = int.from_bytes(rng.bytes(16), "little")
        made.append(
            [anything, anything % top, (1 << 62) + anything % 99, -1, -top, (1 << 63) + anything % 1000][which]
            % (1 << ring)
        )
    return np.array([*made, None], dtype=object)[:-1]


def _stated(rng: Any, other: Any, x: Recorded) -> tuple[int, int]:
    top = 1 << int(rng.integers(1, 50))
    if rng.random() < 0.3:
        return 0, top
    return -top + _less(other, top), top


def _bound(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    x = build.number(x)
    lo, hi = _stated(rng, other, x)
    if x.type.ring == 128 and rng.random() < 0.5:
        return x.graph.node("reduce_ring", (x.graph.node("bound", (x,), StatedBounds(lo, hi)),))
    return x.graph.node("bound", (x,), StatedBounds(lo, hi, REASON_NUMBERS[int(rng.integers(0, 9))]))


def _within(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    x, y = _alike(x, y)
    return x.graph.node(
        "multiply_within", (x, y), StatedBounds(*_stated(rng, other, x), REASON_NUMBERS[int(rng.integers(0, 9))])
    )


def _alike(x: Recorded, y: Recorded) -> tuple[Recorded, Recorded]:
    x, y = build.number(x), build.number(y)
    if x.type.ring != y.type.ring:
        x, y = (v.graph.node("lift", (v,)) if v.type.ring == 64 else v for v in (x, y))
    return x, y


def _pair(name: str) -> Any:
    def make(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
        x, y = _alike(x, y)
        return x.graph.node(name, (x, y))

    return make


def _scaled(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    x = build.number(x)
    numbers = rng.integers(-3, 4, x.type.shape)
    return x.graph.node("scale", (x, number_constant(x.graph, numbers, 0, 0, x.type.ring)))


def _shifted(name: str) -> Any:
    def make(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
        x = build.number(x)
        frac = int(rng.integers(1, 40))
        x = x.graph.node("rename", (x,), Scale(frac, 0))
        shift = int(rng.integers(1, frac + 1))
        rounding = Shift(shift) if name == "rescale" else Rounding(shift, nearest=bool(rng.integers(2)))
        return x.graph.node(name, (x,), rounding)

    return make


def _test(name: str) -> Any:
    return lambda rng, other, x, y: x.graph.node(name, (build.number(x),))


def _lift(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    return x.graph.node("lift", (build.number(x),))


def _clip(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    x, top = build.number(x), 1 << int(rng.integers(1, 50))
    return x.graph.node("clip", (x,), Bounds(-top, top - 1) if rng.random() < 0.5 else Bounds(0, top))


def _inject(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    bit = x if x.type.is_bool else x.graph.node("negative", (x,))
    return logic.inject(bit, build.number(y))


def _sum(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    x = build.number(x)
    return x.graph.node("sum", (x,), Axes(tuple(range(len(x.type.shape))) if rng.random() < 0.7 else ()))


def _contract(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    return build.contract(build.number(x), build.number(y), (0,))


def _matmul(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    x, y = build.number(x), build.number(y)
    left = x.graph.node("reshape", (x,), NewShape((1, x.type.size)))
    return build.matmul(left, y.graph.node("reshape", (y,), NewShape((y.type.size, 1))))


def _convolve(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    x, y = build.number(x), build.number(y)
    image = x.graph.node("reshape", (x,), NewShape((1, 1, x.type.size)))
    seen = y.graph.node("reshape", (y,), NewShape((1, 1, y.type.size)))
    mode = ConvolutionArray(int(rng.integers(3)))
    sides = () if mode is ConvolutionArray.OUTPUT else (int(rng.integers(1, 3)),)
    return convolve(image, seen, mode, ((1,), (x.type.size,), (x.type.size,), (1,)), 1, sides)


def _windows(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    fill = 1 if x.type.is_bool else int(rng.integers(-9, 9))
    return x.graph.node("windows", (x,), Windows((2,), (1,), (1,), (1,), (1,), fill))


def _normalise(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    x = build.number(x)
    x = x.graph.node("bound", (x,), StatedBounds(0, 1 << int(rng.integers(2, 30))))
    return x.graph.node("normalise", (x,), Normalisation(bool(rng.integers(2))))


def _lookup(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    """Places that are said to lie within the table."""
    x, entries = build.number(x), int(rng.integers(1, 80))
    x = x.graph.node("rename", (x.graph.node("bound", (x,), StatedBounds(0, entries - 1)),), Scale(0, 0))
    table = number_constant(x.graph, rng.integers(-9, 100, (entries, 1)), 0, 0, 64)
    return x.graph.node("reshape", (x.graph.node("lookup", (x, table)),), NewShape(x.type.shape))


def _bits(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    """Whether one of a few low bits is set."""
    x = build.number(x)
    planes = x.graph.node("bits", (x,), BitCount(int(rng.integers(1, 5))))
    return counting.row(planes, int(rng.integers(planes.type.shape[0])))


def _count(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    bit = x if x.type.is_bool else x.graph.node("negative", (x,))
    return bit.graph.node("count", (bit,), Axes(tuple(range(len(bit.type.shape)))))


def _keys(rng: Any, x: Recorded) -> tuple[Recorded, tuple[int, int]]:
    """A few low bits of one line, or of several."""
    x = build.number(x)
    size, bits = x.type.size, int(rng.integers(1, 5))
    if size < 2:
        raise PlanError("nothing to sort")
    lines = int(rng.choice([n for n in range(1, 6) if not size % n]))
    planes = x.graph.node("bits", (x,), BitCount(bits))
    return x.graph.node("reshape", (planes,), NewShape((bits, lines, size // lines))), (lines, size // lines)


def _sort(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    (keys, (lines, length)), y = _keys(rng, x), build.number(y)
    rows = y.graph.node("reshape", (y,), NewShape((1, lines, length)))
    return y.graph.node("reshape", (y.graph.node("sort", (keys, rows)),), NewShape(y.type.shape))


def _ranks(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    keys, _ = _keys(rng, x)
    ranks = x.graph.node("ranks", (keys,))
    return x.graph.node("reshape", (ranks,), NewShape((ranks.type.size,)))


def _sums_up_to(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    (keys, (lines, length)), y = _keys(rng, x), build.number(y)
    if lines == 1:
        keys, lines = x.graph.node("concat", (keys, keys), Axis(1)), 2
    columns = y.graph.node("reshape", (y,), NewShape((y.type.size // length, length)))
    found = y.graph.node("sums_up_to", (keys, columns))
    return y.graph.node("reshape", (found,), NewShape((found.type.size,)))


def _orders(rng: Any, x: Recorded, y: Recorded) -> tuple[Recorded, tuple[int, int]]:
    """A permutation by keys, its inverse, or one behind another."""
    (keys, shape), graph = _keys(rng, x), x.graph
    order = graph.node("sort_order", (keys,))
    way = int(rng.integers(4))
    if way == 1:
        order = graph.node("invert_order", (order,))
    elif way == 2:
        order = graph.node("compose_orders", (order, order))
    elif way == 3 and build.number(y).type.size == shape[0] * shape[1]:
        planes = graph.node("bits", (build.number(y),), BitCount(2))
        other = graph.node("sort_order", (graph.node("reshape", (planes,), NewShape((2, *shape))),))
        order = graph.node("compose_orders", (order, other))
    return order, shape


def _move(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    (order, (lines, length)), y = _orders(rng, x, y), build.number(y)
    rows = y.graph.node("reshape", (y,), NewShape((1, lines, length)))
    moved = y.graph.node("move", (order, rows), Undoing(bool(rng.integers(2))))
    return y.graph.node("reshape", (moved,), NewShape(y.type.shape))


def _places(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    order, _ = _orders(rng, x, y)
    places = x.graph.node("order_places", (order,), Undoing(bool(rng.integers(2))))
    return x.graph.node("reshape", (places,), NewShape((places.type.size,)))


def _loop(rng: Any, other: Any, x: Recorded, y: Recorded) -> Recorded:
    """Two passes over a value whose declared bounds are false."""
    x, y = build.number(x), build.number(y)
    if x.type.ring != 64 or y.type.ring != 64 or x.type.shape != y.type.shape or x.type.frac_bits:
        raise PlanError("not for this loop")
    graph = x.graph
    wide = Type(ValueKind.INT, x.type.shape, 64, 0, 0, -(limit(64) >> 30), limit(64) >> 30)
    carried, outer = graph.placeholder(wide), graph.placeholder(y.type)
    inner = graph.node("multiply", (carried, graph.node("rename", (outer,), Scale(0, 0))))
    inner = graph.node("rename", (graph.node("bound", (inner,), StatedBounds(wide.lo, wide.hi, 5)),), Scale(9, 0))
    inner = graph.node("rename", (graph.node("rescale", (inner,), Shift(3)),), Scale(0, 0))
    result = graph.node("bound", (inner,), StatedBounds(wide.lo, wide.hi, 5))
    start = graph.node("bound", (graph.node("rename", (x,), Scale(0, 0)),), StatedBounds(wide.lo, wide.hi))
    return graph.loop(2, (start, y), LoopBody((carried,), (outer,), (result,)))[0]


MAKERS: dict[str, Any] = {
    "add": _pair("add"),
    "subtract": _pair("subtract"),
    "multiply": _pair("multiply"),
    "less": _pair("less"),
    "scale": _scaled,
    "negate": lambda rng, other, x, y: build.negate(x),
    "bound": _bound,
    "bound again": _bound,
    "multiply_within": _within,
    "rescale": _shifted("rescale"),
    "rescale again": _shifted("rescale"),
    "round": _shifted("round"),
    "lift": _lift,
    "negative": _test("negative"),
    "is_zero": _test("is_zero"),
    "inject": _inject,
    "sum": _sum,
    "contract": _contract,
    "matmul": _matmul,
    "convolve": _convolve,
    "windows": _windows,
    "normalise": _normalise,
    "loop": _loop,
    "clip": _clip,
    "lookup": _lookup,
    "bits": _bits,
    "count": _count,
    "sort": _sort,
    "move": _move,
    "order_places": _places,
    "ranks": _ranks,
    "sums_up_to": _sums_up_to,
}
