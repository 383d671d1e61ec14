"""Random small plans over datasets with rows, for tests of what the analysis claims and of cutting along rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tercet.errors import PlanError
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record import build
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.graph import Graph, LoopBody, Recorded
from tercet.plan.record.public import bool_constant, number_constant
from tercet.plan.table.attributes import (
    Axes,
    Axis,
    AxisOrder,
    BitCount,
    Contraction,
    Convolution,
    NewShape,
    Powering,
    PublicBase,
    PublicConvolution,
    PublicMatrix,
    Ranges,
    StatedBounds,
    Windows,
)
from tercet.plan.types import Type, ValueKind, bool_type

MAX_SIZE = 120


@dataclass
class Drawn:
    """A plan, every value of it an output, and where its inputs come from: (dataset, column) by handle."""

    plan: Plan
    rows: dict[str, int]
    columns: dict[bytes, tuple[str, str]]
    values: list[Recorded]


def int_type(shape: tuple[int, ...]) -> Type:
    return Type(ValueKind.INT, shape, 64, 0, 0, -3, 3)


@st.composite
def drawn_plans(draw: Any, operations: int = 12, *, datasets: int = 2) -> Drawn:
    """A plan of random operations on columns of up to two datasets of a few rows each."""
    graph = Graph()
    count = draw(st.integers(2, 6))
    rows = {
        "ab"[k]: count if draw(st.booleans()) else draw(st.integers(2, 6))
        for k in range(draw(st.integers(1, datasets)))
    }
    columns: dict[bytes, tuple[str, str]] = {}
    values: list[Recorded] = []
    for dataset, count in rows.items():
        for name, type in (("x", int_type((count,))), ("y", int_type((count,))), ("f", bool_type((count,)))):
            handle = f"{dataset}{name}".encode().ljust(16)
            columns[handle] = (dataset, name)
            values.append(graph.input(handle, type))
    for _ in range(draw(st.integers(1, operations))):
        found = _operation(draw, graph, values)
        if found is not None and 0 < found.type.size <= MAX_SIZE:
            values.append(found)
    wanted = [Wanted(value, OutputKind.REVEAL) for value in values]
    return Drawn(compile_plan(wanted, LAN), rows, columns, values)


def _operation(draw: Any, graph: Graph, values: list[Recorded], without: tuple[str, ...] = ()) -> Recorded | None:
    # the newest values are the more interesting ones
    newest = len(values)
    x = values[newest - 1 - min(draw(st.integers(0, newest - 1)), draw(st.integers(0, newest - 1)))]
    y = values[draw(st.integers(0, newest - 1))]
    name = draw(st.sampled_from(sorted(set(_MAKERS) - set(without))))
    try:
        return _MAKERS[name](draw, graph, x, y)
    except PlanError:
        return None


def _numbers(draw: Any, shape: tuple[int, ...]) -> Any:
    size = math.prod(shape)
    flat = draw(st.lists(st.sampled_from([0, 0, 1, 1, 1, 2, -1]), min_size=size, max_size=size))
    return np.array(flat, dtype=np.int64).reshape(shape)


def _shape(draw: Any, x: Recorded) -> tuple[int, ...]:
    """A shape that broadcasts with x's."""
    choices = {(), x.type.shape, x.type.shape[-1:], tuple(n if k else 1 for k, n in enumerate(x.type.shape))}
    choices |= {tuple(n if not k else 1 for k, n in enumerate(x.type.shape)), (*x.type.shape, 1), (3, *x.type.shape)}
    return draw(st.sampled_from(sorted(choices)))


def _pair(name: str) -> Any:
    def make(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
        x, y = build.number(x), build.number(y)
        return graph.node(name, (x, y))

    return make


def _public(name: str) -> Any:
    def make(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
        x = build.number(x)
        constant = number_constant(graph, _numbers(draw, _shape(draw, x)), 0, 0, 64)
        first = name == "subtract" and draw(st.booleans())
        return graph.node(name, (constant, x) if first else (x, constant))

    return make


def _bool(graph: Graph, x: Recorded) -> Recorded:
    return x if x.type.is_bool else graph.node("negative", (x,))


def _bits(name: str) -> Any:
    def make(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
        return graph.node(name, (_bool(graph, x), _bool(graph, y)))

    return make


def _public_bits(name: str) -> Any:
    def make(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
        x = _bool(graph, x)
        return graph.node(name, (x, bool_constant(graph, _numbers(draw, x.type.shape) > 0)))

    return make


def _inject(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    return graph.node("inject", (_bool(graph, x), build.number(y)))


def _axes(draw: Any, x: Recorded) -> tuple[int, ...]:
    return tuple(draw(st.permutations(range(len(x.type.shape)))))[: draw(st.integers(0, 3))]


def _sum(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    return graph.node("sum", (build.number(x),), Axes(_axes(draw, x)))


def _contract(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    return graph.node("contract", (build.number(x), build.number(y)), Contraction(_axes(draw, x)))


def _prefix(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    axes = _axes(draw, x)
    if not axes:
        raise PlanError("no axis")
    return graph.node("cumulative_sum", (build.number(x),), Axis(axes[0]))


def _matmul(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    x, y = _matrix(draw, graph, x), _matrix(draw, graph, y)
    return graph.node("matmul", (x, y))


def _matmul_narrow(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    """Of what its type rule takes; other pairs are drawn again."""
    return graph.node("matmul_narrow", (_matrix(draw, graph, x), _matrix(draw, graph, y)))


def _matrix(draw: Any, graph: Graph, x: Recorded) -> Recorded:
    x = build.number(x)
    if len(x.type.shape) < 2:
        n = x.type.size
        x = graph.node("reshape", (x,), NewShape(draw(st.sampled_from([(n, 1), (1, n)]))))
    if draw(st.booleans()):
        last = len(x.type.shape)
        x = graph.node("permute", (x,), AxisOrder((*range(last - 2), last - 1, last - 2)))
    return x


def _matmul_public(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    x = _matrix(draw, graph, x)
    first = draw(st.booleans())
    n = draw(st.integers(1, 3))
    shape = (n, x.type.shape[-2]) if first else (x.type.shape[-1], n)
    constant = number_constant(graph, _numbers(draw, shape), 0, 0, 64)
    return graph.node("matmul_public", (x, constant), PublicMatrix(first))


def _windows(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    sides = draw(st.integers(1, 2))
    kernel, stride, before, after, dilation = (
        tuple(draw(st.integers(lo, hi)) for _ in range(sides)) for lo, hi in ((1, 3), (1, 2), (0, 1), (0, 1), (1, 2))
    )
    if draw(st.booleans()):
        before = after = (0,) * sides
        kernel = tuple(draw(st.sampled_from([1, n])) for n in x.type.shape[-sides:])
    fill = draw(st.integers(0, 1)) if x.type.is_bool else draw(st.integers(-3, 3))
    return graph.node("windows", (x,), Windows(kernel, stride, before, after, dilation, fill))


def _image(draw: Any, graph: Graph, x: Recorded) -> Recorded:
    x = _matrix(draw, graph, x)
    if len(x.type.shape) > 2:
        raise PlanError("images are of matrices here")
    n, m = x.type.shape
    return graph.node("reshape", (x,), NewShape(draw(st.sampled_from([(n, 1, m), (n, m, 1)]))))


def _convolving(draw: Any) -> tuple[Any, ...]:
    mode, side = draw(st.integers(0, 2)), draw(st.integers(1, 3))
    return mode, (draw(st.integers(1, 2)),), (draw(st.integers(0, 1)),), (0,), (1,), 1, (side,) if mode else ()


def _convolve(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    x, y = _image(draw, graph, x), _image(draw, graph, y)
    return graph.node("convolve", (x, y), Convolution(*_convolving(draw)))


def _convolve_public(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    x = _image(draw, graph, x)
    n, c, m = x.type.shape
    shape = draw(st.sampled_from([(2, c, 1), (n, 2, m), (2, n, m), (c, 2, 1), (1, 1, 1)]))
    constant = number_constant(graph, _numbers(draw, shape), 0, 0, 64)
    attrs = PublicConvolution(*_convolving(draw), in_front=draw(st.booleans()))
    return graph.node("convolve_public", (x, constant), attrs)


def _reshape(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    size, shape = x.type.size, x.type.shape
    choices = {(size,), (size, 1), (1, *shape), (*shape, 1), tuple(n for n in shape if n != 1)}
    choices |= {(n, size // n) for n in range(2, size) if size % n == 0}
    return graph.node("reshape", (x,), NewShape(draw(st.sampled_from(sorted(choices)))))


def _permute(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    return graph.node("permute", (x,), AxisOrder(tuple(draw(st.permutations(range(len(x.type.shape)))))))


def _slice(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    ranges: list[tuple[int, int, int]] = []
    for n in x.type.shape:
        places = range(n)[draw(st.sampled_from([slice(None), slice(1, None), slice(None, -1), slice(None, None, 2)]))]
        if draw(st.integers(0, 3)) == 0:
            places = places[::-1]
        if draw(st.integers(0, 4)) == 0:
            places = places[:1]
        ranges.append((places[0] if places else 0, len(places), places.step if places else 1))
    return graph.node("slice", (x,), Ranges(tuple(ranges)))


def _broadcast(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    shape = tuple(draw(st.integers(2, 6)) if n == 1 else n for n in x.type.shape)
    lead = draw(st.sampled_from([(), (2,), (4,)]))
    return graph.node("broadcast", (x,), NewShape((*lead, *shape)))


def _ranks(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    """Of the low bits of x, or of any bools of three axes."""
    if x.type.is_bool and len(x.type.shape) == 3:
        return graph.node("ranks", (x,))
    bits = graph.node("bits", (build.number(x),), BitCount(2))
    if len(bits.type.shape) != 3:
        lines = x.type.shape[0] if len(x.type.shape) > 1 and draw(st.booleans()) else 1
        bits = graph.node("reshape", (bits,), NewShape((2, lines, x.type.size // lines)))
    return graph.node("ranks", (bits,))


def _sums_up_to(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    """Of low bits of x as keys and limits, and y as columns."""
    if not x.type.size or not x.type.shape:
        raise PlanError("nothing to compare")
    bits, y = graph.node("bits", (build.number(x),), BitCount(2)), build.number(y)
    length = x.type.shape[-1]
    lines = x.type.size // length
    bits = graph.node("reshape", (bits,), NewShape((2, lines, length)))
    if lines == 1 or draw(st.booleans()):
        other = graph.node("not", (bits,)) if draw(st.booleans()) else bits
        bits = graph.node("concat", (bits, other), Axis(1))
    if not y.type.shape or y.type.shape[-1] != length:
        y = build.number(x)
    return graph.node("sums_up_to", (bits, graph.node("reshape", (y,), NewShape((y.type.size // length, length)))))


def _take(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    if not x.type.shape:
        raise PlanError("nothing to take from")
    axis = draw(st.integers(0, len(x.type.shape) - 1))
    n = x.type.shape[axis]
    whole = st.permutations(range(n))
    some = st.lists(st.integers(0, n - 1), min_size=1, max_size=n + 1, unique=draw(st.booleans()))
    indices = np.array(draw(whole if draw(st.booleans()) else some), dtype=np.int64)
    return graph.node("take", (x, number_constant(graph, indices, 0, 0, draw(st.sampled_from([64, 128])))), Axis(axis))


def _concat(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    if x.type.is_bool != y.type.is_bool:
        x, y = build.number(x), build.number(y)
    axes = max(1, len(x.type.shape))
    return graph.node(
        "concat", (x, y, *([x] if draw(st.integers(0, 5)) == 0 else [])), Axis(draw(st.integers(0, axes - 1)))
    )


def _normalise(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    x = build.number(x)
    square = graph.node("multiply", (x, x))
    return graph.node("normalise", (graph.node("bound", (square,), StatedBounds(0, square.type.hi)),))


def _power(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    x, bits = build.number(x), [build.number(_bool(graph, one)) for one in (y, x)]
    exponent = graph.node("add", tuple(bits)) if draw(st.booleans()) else bits[0]
    if draw(st.integers(0, 3)) == 0:
        return graph.node("public_power", (exponent,), PublicBase(-3, exponent.type.hi.bit_length()))
    return graph.node("whole_power", (x, exponent), Powering(0, exponent.type.hi.bit_length()))


def _loop(draw: Any, graph: Graph, x: Recorded, y: Recorded) -> Recorded:
    """A carried pair: one takes in the other, which takes in what is outside."""
    x, y = build.number(x), build.number(y)
    wide = Type(ValueKind.INT, x.type.shape, 64, 0, 0, -(1 << 40), 1 << 40)
    a, b = graph.placeholder(wide), graph.placeholder(wide)
    outer = graph.placeholder(Type(ValueKind.INT, y.type.shape, 64, 0, 0, -(1 << 40), 1 << 40))
    inner: list[Recorded] = [a, b, outer]
    for _ in range(draw(st.integers(1, 3))):
        found = _operation(draw, graph, inner, ("normalise", "loop"))
        if found is not None and found.operation.name != "constant":
            inner.append(found)
    results = [_fit(graph, value, wide) for value in (inner[-1], draw(st.sampled_from(inner)))]
    start = _fit(graph, x, wide)
    body = LoopBody((a, b), (outer,), tuple(results))
    return graph.loop(draw(st.integers(0, 3)), (start, start, y), body)[draw(st.integers(0, 1))]


def _fit(graph: Graph, x: Recorded, t: Type) -> Recorded:
    x = build.number(x)
    if x.type.shape != t.shape:
        raise PlanError("another shape")
    x = graph.node("add", (x, number_constant(graph, np.asarray(0), 0, 0, 64)))
    return graph.node("bound", (x,), StatedBounds(t.lo, t.hi))


_MAKERS: dict[str, Any] = {
    "add": _pair("add"),
    "subtract": _pair("subtract"),
    "multiply": _pair("multiply"),
    "multiply again": _pair("multiply"),
    "less": _pair("less"),
    "scale": _public("scale"),
    "add public": _public("add"),
    "subtract public": _public("subtract"),
    "and": _bits("and"),
    "xor": _bits("xor"),
    "mask": _public_bits("mask"),
    "xor public": _public_bits("xor"),
    "not": lambda draw, graph, x, y: graph.node("not", (_bool(graph, x),)),
    "is_zero": lambda draw, graph, x, y: graph.node("is_zero", (build.number(x),)),
    "negate": lambda draw, graph, x, y: graph.node("negate", (build.number(x),)),
    "inject": _inject,
    "sum": _sum,
    "sum again": _sum,
    "sum once more": _sum,
    "contract": _contract,
    "cumulative_sum": _prefix,
    "matmul": _matmul,
    "matmul_narrow": _matmul_narrow,
    "matmul_public": _matmul_public,
    "windows": _windows,
    "convolve": _convolve,
    "convolve_public": _convolve_public,
    "reshape": _reshape,
    "permute": _permute,
    "slice": _slice,
    "broadcast": _broadcast,
    "take": _take,
    "concat": _concat,
    "normalise": _normalise,
    "power": _power,
    "ranks": _ranks,
    "sums_up_to": _sums_up_to,
    "loop": _loop,
}
