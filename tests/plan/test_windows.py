"""Windows and convolutions in plans: what is typed, what they mean at three parties, and how large plans are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession, array_of
from tercet import nn
from tercet.errors import PlanError
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.windows import Border, convolve, windows
from tercet.plan.rows.memory import peak_bytes, value_bytes
from tercet.plan.rows.states import Aggregate, Rows, Spread
from tercet.plan.rows.track import track
from tercet.plan.table.attributes import Convolution, Windows
from tercet.plan.table.operations import BY_NAME
from tercet.plan.types import Type, ValueKind, bool_type
from tercet.ring import ConvolutionArray, Convolutions, Geometry

RNG = np.random.default_rng(3)
ROUND = (1, 1), (1, 1), (1, 0), (1, 2)
"""Stride, before, after, dilation."""


def plan_of(*values: Any) -> Plan:
    return compile_plan([Wanted(value.node, OutputKind.REVEAL) for value in values], LAN)


def integers(*shape: int, top: int = 9, ring: int = 64) -> Type:
    return Type(ValueKind.INT, shape, ring, 0, 0, -top, top)


# ---- what is typed ----


def test_bounds_are_those_of_so_many_products() -> None:
    x, kernel = integers(2, 4, 8, 9), integers(6, 2, 3, 2, top=5)
    found = BY_NAME["convolve"].infer((x, kernel), Convolution(0, *ROUND, 2))
    assert (found.shape, found.lo, found.hi) == ((2, 6, 8, 8), -2 * 6 * 45, 2 * 6 * 45)
    y = integers(2, 6, 8, 8, top=3)
    back = BY_NAME["convolve"].infer((kernel, y), Convolution(1, *ROUND, 2, (8, 9)))
    assert (back.shape, back.hi) == (x.shape, 3 * 6 * 15)
    weights = BY_NAME["convolve"].infer((x, y), Convolution(2, *ROUND, 2, (3, 2)))
    assert (weights.shape, weights.hi) == (kernel.shape, 2 * 64 * 27)


def test_what_stands_outside_counts() -> None:
    infer = BY_NAME["windows"].infer
    padded = Windows((2,), (1,), (1,), (0,), (1,), -20)
    assert infer([integers(3, 5)], padded) == replace(integers(3, 5, 2), lo=-20)
    assert infer([integers(3, 5)], replace(padded, before=(0,))) == integers(3, 4, 2)
    assert infer([bool_type((5,))], replace(padded, fill=1)) == bool_type((5, 2))


def test_bounds_hold_where_sums_have_fewer_terms() -> None:
    """Of what is above 0, a sum beside the border was said to be as large as one of all products: a comparison with a
    number between gave the wrong answer."""
    ones, rng = Type(ValueKind.INT, (), 64, 0, 0, 1, 1), np.random.default_rng(1)
    for _ in range(40):
        kernel, stride, before, after, dilation = (
            tuple(int(n) for n in rng.integers(lo, hi, 2)) for lo, hi in ((1, 4), (1, 3), (0, 3), (0, 3), (1, 3))
        )
        groups = int(rng.integers(1, 3))
        arrays = Convolutions(Geometry((5, 6), kernel, stride, before, after, dilation), 2, 2, 2 * groups, 1)
        for result in ConvolutionArray:
            sides = {ConvolutionArray.INPUT: (5, 6), ConvolutionArray.KERNEL: kernel}.get(result, ())
            shapes = [shape for at, shape in enumerate(arrays.shapes) if at != (2, 0, 1)[result]]
            attrs = Convolution(int(result), stride, before, after, dilation, 1, sides)
            given = [np.full(shape, 1, dtype=object) for shape in shapes]
            for sign in (1, -1):
                second = ones.with_bounds(sign, sign).with_shape(shapes[1])
                t = BY_NAME["convolve"].infer((ones.with_shape(shapes[0]), second), attrs)
                found = BY_NAME["convolve"].meaning((given[0], sign * given[1]), attrs, t)
                assert t.lo <= found.min() and found.max() <= t.hi
    session = TrioSession(parties=True)
    x = session.share(np.full((1, 1, 4), 3), bounds=(3, 9))
    found = nn.conv1d(x, np.ones((1, 1, 3), int), padding=2) > 8
    assert found.reveal().tolist() == [[[False, False, True, True, False, False]]]


REFUSED: dict[str, tuple[str, list[Type], Any, str]] = {
    "no axis": ("windows", [integers(5)], Windows((), (), (), (), ()), "over 0 axes"),
    "axes": ("windows", [integers(5)], Windows(*[(1, 1)] * 5), "over 2 axes of 1"),
    "lists": ("windows", [integers(5)], Windows((2,), (1,), (0, 0), (0,), (1,)), "as many numbers"),
    "long lists": (
        "windows",
        [integers(5)],
        Windows((2,), (1,) * (1 << 16), (0,), (0,), (1,)),
        r"not \[1, 65536, 1, 1, 1\]$",
    ),
    "no stride": ("windows", [integers(5)], Windows((2,), (0,), (0,), (0,), (1,)), "1 at least"),
    "long": ("windows", [integers(5)], Windows((2,), (1,), (0,), (0,), (5,)), "longer than 5"),
    "fill of bools": ("windows", [bool_type((5,))], Windows((2,), (1,), (1,), (0,), (1,), 2), "0 or 1"),
    "fill": ("windows", [integers(5)], Windows((2,), (1,), (1,), (0,), (1,), 1 << 62), "headroom"),
    "much around": ("windows", [integers(5)], Windows((1,), (1 << 40,), (1 << 40,), (0,), (1,)), "not one of a secret"),
    "much around each": ("windows", [integers(1 << 20, 5)], Windows((1,), (1 << 40,), (1 << 39,), (0,), (1,)), "shape"),
    "mode": ("convolve", [integers(1, 1, 5), integers(1, 1, 2)], Convolution(3, *[(1,)] * 4), "mode 3"),
    "channels": ("convolve", [integers(1, 2, 5), integers(1, 1, 2)], Convolution(0, *[(1,)] * 4), "2 channels"),
    "sums": (
        "convolve",
        [integers(1, 1, 99, top=1 << 30), integers(1, 1, 99, top=1 << 30)],
        Convolution(0, (1,), (0,), (0,), (1,)),
        "headroom",
    ),
    "shift": ("convolve", [integers(1, 1, 5)] * 2, Convolution(0, (1,), (0,), (0,), (1,), shift=1), "fractional"),
    "rings": ("convolve", [integers(1, 1, 5), integers(1, 1, 5, ring=128)], Convolution(0, *[(1,)] * 4), "rings"),
    "one": ("convolve", [integers(1, 1, 5)], Convolution(0, *[(1,)] * 4), "2 inputs"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_go_together_is_refused(what: str) -> None:
    name, inputs, attrs, words = REFUSED[what]
    with pytest.raises(PlanError, match=words):
        BY_NAME[name].infer(inputs, attrs)


# ---- what they mean, at three parties; `TrioSession` holds meaning, error and cost against each other ----


@pytest.mark.parametrize("ring", [64, 128])
@pytest.mark.parametrize("result", list(ConvolutionArray))
def test_secret_convolutions_of_every_mode(result: ConvolutionArray, ring: int) -> None:
    session = TrioSession(parties=True)
    top = 9 if ring == 64 else 1 << 40
    shapes = (2, 4, 8, 9), (6, 2, 3, 2), (2, 6, 8, 8)
    first, second = (
        session.share(RNG.integers(-top, top, shape), bounds=(-top, top))
        for at, shape in enumerate(shapes)
        if at != (2, 0, 1)[result]
    )
    sides = {ConvolutionArray.OUTPUT: (), ConvolutionArray.INPUT: (8, 9), ConvolutionArray.KERNEL: (3, 2)}[result]
    node = convolve(first.node, second.node, result, ROUND, 2, sides)
    assert (node.type.ring, node.type.shape) == (ring, shapes[(2, 0, 1)[result]])
    array_of(session, node).reveal()


def test_products_are_rescaled_in_the_same_exchange() -> None:
    """One message more, of w + shift bits in all for each result."""
    session = TrioSession(parties=True)
    x = session.share(RNG.uniform(-4, 4, (2, 3, 6, 6)), bounds=(-4, 4))
    weight = session.share(RNG.uniform(-1, 1, (4, 3, 3, 3)), bounds=(-1, 1))
    found = nn.max_pool2d(nn.conv2d(x, weight), 2, 1)
    plan = compile_plan([Wanted(found.node, OutputKind.PERSIST, b"k" * 16)], LAN)
    (product,) = (op for op in plan.operations if op.operation.name == "convolve")
    assert product.attrs.shift == 16
    assert "rescale" not in {op.operation.name for op in plan.operations}
    expected = nn.max_pool2d(nn.conv2d(x.reveal(), weight.reveal()), 2, 1)
    assert np.abs(found.reveal() - expected).max() < 2 * 2**-16


@pytest.mark.parametrize("outside", list(Border))
def test_windows_of_numbers(outside: Border) -> None:
    session = TrioSession(parties=True)
    values = RNG.integers(-9, 9, (2, 5, 6))
    x = session.share(values, bounds=(-9, 8))
    geometry = Geometry((5, 6), (2, 3), (2, 1), (1, 0), (0, 2), (1, 2))
    fill = {Border.ZERO: 0, Border.LEAST: -9, Border.GREATEST: 8}[outside]
    expected = geometry.view(np.pad(values, ((0, 0), (1, 0), (0, 2)), constant_values=fill))
    assert np.array_equal(array_of(session, windows(x.node, geometry, outside)).reveal(), expected)


def test_windows_of_bools() -> None:
    session = TrioSession(parties=True)
    values = RNG.integers(0, 2, (3, 70)).astype(bool)
    x = session.share(values)
    geometry = Geometry((70,), (3,), (1,), (1,), (1,), (1,))
    for fill in (0, 1):
        node = x.node.graph.node("windows", (x.node,), Windows((3,), (1,), (1,), (1,), (1,), fill))
        expected = geometry.view(np.pad(values, ((0, 0), (1, 1)), constant_values=bool(fill)))
        assert np.array_equal(array_of(session, node).reveal(), expected)


# ---- rows ----


def state(node: Any, **axes: int) -> Any:
    """What is known of the rows of dataset `a`, which lie along the first axis of its inputs."""
    plan = compile_plan([Wanted(node, OutputKind.REVEAL)], LAN)
    inputs = {handle: {"a": Rows(len(type.shape) - 1, type.shape[0])} for handle, type in plan.inputs()}
    return track(plan, inputs)[0]["a"]


def test_images_stay_apart_and_derivatives_by_the_kernel_add_them_up() -> None:
    session = TrioSession()
    x = session.share(RNG.integers(-3, 3, (5, 2, 7)), bounds=(-3, 3))
    y = session.share(RNG.integers(-3, 3, (5, 4, 5)), bounds=(-3, 3))
    kernel = RNG.integers(1, 3, (4, 2, 3))
    forward = convolve(x.node, kernel, ConvolutionArray.OUTPUT, ((1,), (0,), (0,), (1,)))
    assert state(forward) == Rows(2, 5)
    assert state(nn.max_pool1d(x, 3, padding=1).node) == Rows(2, 5)
    back = convolve(kernel, y.node, ConvolutionArray.INPUT, ((1,), (0,), (0,), (1,)), 1, (7,))
    assert state(back) == Rows(2, 5)
    weights = convolve(x.node, y.node, ConvolutionArray.KERNEL, ((1,), (0,), (0,), (1,)), 1, (3,))
    assert isinstance(state(weights), Aggregate) and state(weights).count == 5
    public = convolve(x.node, RNG.integers(1, 9, (5, 4, 5)), ConvolutionArray.KERNEL, ((1,), (0,), (0,), (1,)), 1, (3,))
    assert isinstance(state(public), Spread)


def test_along_a_side_rows_are_mixed_but_for_one_window() -> None:
    session = TrioSession()
    x = session.share(RNG.integers(-3, 3, 12), bounds=(-3, 3))
    assert isinstance(state(nn.avg_pool1d(x[None], 3).node), Spread)
    assert isinstance(state(nn.avg_pool1d(x[None], 12).node), Aggregate)
    assert isinstance(state(nn.max_pool1d(x[None], 1).node), Rows)


# ---- how large a plan is, what it holds, what it sends ----


@pytest.mark.parametrize("layer", ["convolution", "pool", "mean"])
def test_a_plan_does_not_grow_with_the_image(layer: str) -> None:
    """Elements taken at public places were listed, each of them."""
    sizes = []
    for side in (8, 64):
        session = TrioSession()
        x = session.share(np.zeros((1, 3, side, side)), bounds=(-1, 1))
        weight = session.share(np.zeros((4, 3, 3, 3)), bounds=(-1, 1))
        found = {
            "convolution": lambda x=x, w=weight: nn.conv2d(x, w, padding=1),
            "pool": lambda x=x, w=weight: nn.max_pool2d(x, 3, 2, 1),
            "mean": lambda x=x, w=weight: nn.avg_pool2d(x, 3, 2),
        }[layer]()
        sizes.append(len(plan_of(found).to_bytes()))
    assert sizes[1] < 3000
    assert sizes[1] - sizes[0] < 100  # lengths of shapes


def test_what_windows_hold_is_estimated() -> None:
    session = TrioSession()
    x = session.share(np.zeros((1, 1, 100, 100), int), bounds=(0, 9))
    image = value_bytes(x.node.type)
    few = plan_of(
        array_of(session, windows(x.node, Geometry((100, 100), (3, 3), *[(1, 1)], (0, 0), (0, 0), (1, 1)))).sum()
    )
    assert peak_bytes(few) < 2 * image
    around = Geometry((100, 100), (1, 1), (900, 900), (400, 400), (400, 400), (1, 1))
    assert peak_bytes(plan_of(array_of(session, windows(x.node, around)))) > 80 * image


@pytest.mark.parametrize("unsettled", [False, True])
def test_what_is_repeated_is_rescaled_before(unsettled: bool) -> None:
    """Each of 36 products is rescaled once, not each of the 4 x 9 windows' places that it stands at."""
    session = TrioSession()
    x = session.share(RNG.uniform(-1, 1, (1, 1, 6, 6)), bounds=(-1, 1))
    value = x * x if unsettled else x
    plan = compile_plan([Wanted(nn.max_pool2d(value, 3, 1).node, OutputKind.PERSIST, b"k" * 16)], LAN)
    settling = [op for op in plan.operations if op.operation.name in ("multiply", "rescale")]
    assert [op.type.size for op in settling] == ([36] if unsettled else [])
    assert all(op.attrs.shift for op in settling)


# ---- where results mean something ----


def test_an_output_means_something_where_its_window_does() -> None:
    session = TrioSession()
    x = session.share(np.array([[[4.0, 4.0, -1.0, 4.0, 4.0]], [[1.0] * 5]]), bounds=(-4, 4))
    roots = tc.sqrt(x)
    weight = session.share(np.ones((2, 1, 2)), bounds=(0, 1))
    wanted = np.array([[True, False, False, True], [True] * 4])
    for kernel in (weight, np.ones((2, 1, 2))):
        found = tc.valid(nn.conv1d(roots, kernel)).reveal()
        assert np.array_equal(found, np.repeat(wanted[:, None], 2, axis=1))
    pooled = tc.valid(nn.max_pool1d(roots, 2, 1, padding=1)).reveal()
    assert pooled[0, 0].tolist() == [True, True, False, False, True, True]
    kernels = tc.sqrt(session.share(np.array([[[1.0, 1.0]], [[1.0, -1.0]]]), bounds=(-4, 4)))
    for images in (x, np.ones((2, 1, 5))):
        found = tc.valid(nn.conv1d(images, kernels)).reveal()
        assert np.array_equal(found, np.broadcast_to(np.array([[True], [False]]), (2, 2, 4)))


def test_an_image_of_a_transposed_convolution_means_something_where_its_own_does() -> None:
    """One that means nothing took the meaning of all others in the batch, so that validity was of all rows."""
    session = TrioSession()
    x = session.share(np.array([[[4.0, -1.0, 4.0]], [[1.0] * 3]]), bounds=(-4, 4))
    weight = session.share(np.ones((1, 2, 2)), bounds=(0, 1))
    for kernel in (weight, np.ones((1, 2, 2))):
        found = tc.valid(nn.conv_transpose1d(tc.sqrt(x), kernel))
        assert np.array_equal(found.reveal(), np.broadcast_to([[[False]], [[True]]], (2, 2, 4)))
        if kernel is not weight:
            assert state(found.node) == Rows(2, 2)
    kernels = tc.sqrt(session.share(np.array([[[1.0, 1.0], [1.0, -1.0]]]), bounds=(-4, 4)))
    found = tc.valid(nn.conv_transpose1d(x, kernels)).reveal()
    assert np.array_equal(found, np.broadcast_to([[True], [False]], (2, 2, 4)))
    two = tc.sqrt(session.share(np.array([[[1.0, 1.0]], [[1.0, -1.0]]]), bounds=(-4, 4)))
    pair = session.share(np.ones((2, 2, 3)), bounds=(0, 1))
    assert not tc.valid(nn.conv_transpose1d(pair, two, groups=2)).reveal().any()


def test_a_pool_of_rounded_values_is_the_nearest() -> None:
    """Of what a coin rounds, the greatest comes out as of the nearest, again and again."""
    session = TrioSession(parties=True)
    values = RNG.uniform(-1, 1, (1, 1, 12))
    x = session.share(values, bounds=(-1, 1))
    pooled = nn.max_pool1d(x * x, 3, 2)
    seen = {tuple(pooled.reveal().reshape(-1).tolist()) for _ in range(6)}
    assert len(seen) == 1
