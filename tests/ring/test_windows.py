"""Windows as NumPy has them, and convolutions against loops, on every level of kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ring.twin import Twin
from tercet.ring import RING64, ConvolutionArray, Convolutions, Geometry, Kernels, Ring, convolutions
from tercet.ring.ring import Ring64


def looped(arrays: Convolutions, x: Any, kernel: Any) -> Any:
    """The output, place by place."""
    here = arrays.geometry
    padded = here.pad(x.astype(object), 0)
    kernel = kernel.astype(object)
    found = np.zeros(arrays.shape(ConvolutionArray.OUTPUT), dtype=object)
    outputs, channels = arrays.outputs // arrays.groups, arrays.channels // arrays.groups
    for n, o, *at in np.ndindex(*found.shape):
        own = slice(o // outputs * channels, (o // outputs + 1) * channels)
        places = tuple(
            slice(i * step, i * step + reach, wide)
            for i, step, reach, wide in zip(at, here.stride, here.reach, here.dilation, strict=True)
        )
        found[(n, o, *at)] = (padded[(n, own, *places)] * kernel[o]).sum()
    return found


def drawn(rng: Any, sides: int) -> Convolutions:
    groups = int(rng.integers(1, 4))
    lists = [tuple(int(v) for v in rng.integers(lo, hi, sides)) for lo, hi in ((7, 12), (1, 4), (1, 4), (0, 4), (0, 4))]
    dilation = tuple(int(v) for v in rng.integers(1, 3, sides))
    batch, channels, outputs = (int(v) for v in rng.integers(1, 4, 3))
    return Convolutions(Geometry(*lists, dilation), batch, channels * groups, outputs * groups, groups)


def checked(r: Ring, arrays: Convolutions, rng: Any, threads: int) -> None:
    """The output is that of loops; the derivatives are the adjoints: one number three times."""
    x, kernel, y = (rng.integers(-(1 << 40), 1 << 40, shape).astype(object) for shape in arrays.shapes)
    words = [r.from_ints(values) for values in (x, kernel, y)]
    twin = Twin(r.bits)
    expected = looped(arrays, x, kernel)
    found = arrays.convolve(r, ConvolutionArray.OUTPUT, words[0], words[1], threads)
    assert (found == r.from_ints(twin.wrap(expected))).all()
    total = r.from_ints(twin.wrap(np.asarray((expected * y).sum(), dtype=object)))
    strided = np.moveaxis(np.ascontiguousarray(np.moveaxis(words[0], 1, -1)), -1, 1)
    derived = arrays.convolve(r, ConvolutionArray.KERNEL, strided, words[2], threads)
    assert r.sum(r.mul(derived, words[1])) == total
    derived = arrays.convolve(r, ConvolutionArray.INPUT, words[1], words[2], threads)
    assert r.sum(r.mul(derived, words[0])) == total


@pytest.mark.parametrize("sides", [1, 2, 3])
@pytest.mark.parametrize("threads", [1, 3])
def test_convolutions_equal_loops(any_ring: Ring, sides: int, threads: int) -> None:
    rng = np.random.default_rng(sides)
    for _ in range(4):
        checked(any_ring, drawn(rng, sides), rng, threads)


@pytest.mark.parametrize("result", list(ConvolutionArray))
def test_blocks_of_many_places(native: Kernels, result: ConvolutionArray) -> None:
    """Images whose windows take several blocks, cut within rows."""
    r = Ring64(native)
    arrays = Convolutions(Geometry((41, 67), (5, 3), (1, 1), (2, 1), (2, 1), (1, 1)), 2, 24, 3, 1)
    rng = np.random.default_rng(5)
    given = [rng.integers(-9, 9, shape) for at, shape in enumerate(arrays.shapes) if at != (2, 0, 1)[result]]
    words = [r.from_ints(one) for one in given]
    whole = arrays.convolve(r, result, *words)
    # a block of one term of the sum at a time: with one output channel, of one channel
    padded = Geometry((41, 67), (5, 3), (1, 1), (2, 1), (2, 1), (1, 1))
    if result is ConvolutionArray.OUTPUT:
        seen = padded.view(padded.pad(given[0], 0))
        expected = np.einsum("ncijkl,ockl->noij", seen, given[1])
    elif result is ConvolutionArray.KERNEL:
        seen = padded.view(padded.pad(given[0], 0))
        expected = np.einsum("ncijkl,noij->ockl", seen, given[1])
    else:
        turned = Geometry((41, 67), (5, 3), (1, 1), (2, 1), (2, 1), (1, 1))
        seen = turned.view(turned.pad(given[1], 0))
        expected = np.einsum("noijkl,ockl->ncij", seen, given[0][:, :, ::-1, ::-1])
    assert (whole == r.from_ints(expected)).all()


def test_kernels_too_long_to_gather_many_windows() -> None:
    """Of 16 MB a window, few are gathered at a time; those of a usual block would take a gigabyte."""
    terms, places = 1 << 21, 5
    arrays = Convolutions(Geometry((terms + places - 1,), (terms,), (1,), (0,), (0,), (1,)), 1, 1, 1, 1)
    x = np.arange(terms + places - 1, dtype=np.uint64).reshape(arrays.shapes[0])
    kernel = np.ones(arrays.shapes[1], np.uint64)
    found = arrays.convolve(RING64, ConvolutionArray.OUTPUT, x, kernel)
    assert found.reshape(-1).tolist() == [terms * (terms - 1) // 2 + terms * at for at in range(places)]


def test_what_two_shapes_are_to_each_other() -> None:
    rng = np.random.default_rng(9)
    for sides in (1, 2, 3):
        arrays = drawn(rng, sides)
        here = arrays.geometry
        lists = here.stride, here.before, here.after, here.dilation
        x, kernel, y = arrays.shapes
        assert convolutions(ConvolutionArray.OUTPUT, x, kernel, lists, arrays.groups) == arrays
        assert convolutions(ConvolutionArray.INPUT, kernel, y, lists, arrays.groups, here.lengths) == arrays
        assert convolutions(ConvolutionArray.KERNEL, x, y, lists, arrays.groups, here.kernel) == arrays


ONE = (1,), (0,), (0,), (1,)
WRONG: dict[str, tuple[Any, str]] = {
    "channels": ((ConvolutionArray.OUTPUT, (1, 3, 5), (2, 2, 2), ONE, 1), "3 channels"),
    "groups": ((ConvolutionArray.OUTPUT, (1, 4, 5), (3, 2, 2), ONE, 2), "3 outputs in 2 groups"),
    "no group": ((ConvolutionArray.OUTPUT, (1, 4, 5), (3, 2, 2), ONE, 0), "one group"),
    "long": ((ConvolutionArray.OUTPUT, (1, 1, 5), (1, 1, 6), ONE, 1), "longer than 5"),
    "dimensions": ((ConvolutionArray.OUTPUT, (1, 1), (1, 1), ONE, 1), "three to five"),
    "lists": ((ConvolutionArray.OUTPUT, (1, 1, 5), (1, 1, 2), ((1, 1), (0,), (0,), (1,)), 1), "over 1 axes"),
    "stride": ((ConvolutionArray.OUTPUT, (1, 1, 5), (1, 1, 2), ((0,), (0,), (0,), (1,)), 1), "1 at least"),
    "output": ((ConvolutionArray.KERNEL, (1, 1, 5), (1, 1, 5), ONE, 1, (2,)), "go together"),
    "batch": ((ConvolutionArray.KERNEL, (2, 1, 5), (1, 1, 4), ONE, 1, (2,)), "go together"),
    "sides": ((ConvolutionArray.INPUT, (1, 1, 2), (1, 1, 4), ONE, 1, ()), "over 0 axes"),
}


@pytest.mark.parametrize("what", WRONG)
def test_shapes_that_do_not_go_together_are_refused(what: str) -> None:
    arguments, words = WRONG[what]
    with pytest.raises(ValueError, match=words):
        convolutions(*arguments)


def test_the_kernel_refuses_what_would_leave_its_arrays() -> None:
    x, kernel, out = (RING64.zeros(shape) for shape in ((1, 2, 1, 1, 5), (1, 2, 1, 1, 3), (1, 1, 1, 1, 3)))
    numbers = [1, 1, 1, 0, 1, 1, 1, 0, 1, 3, 1, 0, 1]
    RING64.native.convolve(0, x, kernel, out, numbers, 1)
    for wrong, words in (
        ((0, x, kernel, out, numbers[:-1], 1), "four numbers"),
        ((3, x, kernel, out, numbers, 1), "four numbers"),
        ((0, x, kernel, out, [2, *numbers[1:]], 1), "go together"),
        ((0, x[:, :1], kernel, out, numbers, 1), "go together"),
        ((0, x, kernel[..., :2], out, numbers, 1), "another shape"),
        ((0, x[0], kernel, out, numbers, 1), "five axes"),
    ):
        with pytest.raises(ValueError, match=words):
            RING64.native.convolve(*wrong)


def test_steps_that_are_never_taken_may_be_of_any_length(any_ring: Ring) -> None:
    """A plan's stride of 2^40 past lines of 8 megabytes ended a worker by an OverflowError of NumPy."""
    far = 1 << 40
    geometry = Geometry((2, 1 << 20), (1, 1 << 20), (far, far), (0, 0), (0, 0), (far, 1))
    lines = np.zeros((2, 1 << 20), np.uint8).repeat(8, axis=0)[::8]
    lines[0, -1] = 7
    assert geometry.view(lines).shape == (1, 1, 1, 1 << 20)
    assert geometry.view(lines).max() == 7
    arrays = Convolutions(Geometry((1, 3), (1, 3), (far, far), (0, 0), (0, 0), (far, 1)), 1, 1, 1, 1)
    x, kernel = (any_ring.from_ints(np.array([values], dtype=object)[None, None]) for values in ([0, 1, 2], [2, 1, 1]))
    assert arrays.convolve(any_ring, ConvolutionArray.OUTPUT, x, kernel).reshape(-1) == any_ring.from_ints([3])
