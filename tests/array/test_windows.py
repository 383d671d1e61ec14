"""Convolutions and pools agree with plain loops over windows, as torch describes them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession
from tercet import nn
from tercet.array.decimals import DecimalArray

RNG = np.random.default_rng(11)


def looped(x: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """A convolution of (batch, channels, height, width), written as torch's documentation has it."""
    x = np.pad(x, ((0, 0), (0, 0), *[(p, p) for p in padding]))
    n, channels, *sides = x.shape
    outputs, own, *kernel = weight.shape
    shape = [(s - d * (k - 1) - 1) // t + 1 for s, k, t, d in zip(sides, kernel, stride, dilation, strict=True)]
    found = np.zeros((n, outputs, *shape), x.dtype)
    for b, o, i, j in itertools.product(range(n), range(outputs), range(shape[0]), range(shape[1])):
        for c, p, q in itertools.product(range(own), range(kernel[0]), range(kernel[1])):
            channel = o // (outputs // groups) * own + c
            row, column = i * stride[0] + p * dilation[0], j * stride[1] + q * dilation[1]
            found[b, o, i, j] += x[b, channel, row, column] * weight[o, c, p, q]
    assert channels == own * groups
    return found


CASES: list[tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]] = [
    ((1, 1), (0, 0), (1, 1), 1),
    ((2, 1), (1, 0), (1, 2), 1),
    ((1, 3), (2, 2), (2, 1), 2),
]
"""Stride, padding, dilation, groups."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("secret", ["input", "weight", "both"])
def test_convolutions_of_images(case: Any, secret: str) -> None:
    stride, padding, dilation, groups = case
    session = TrioSession(parties=secret == "both")
    x, weight = RNG.integers(-5, 6, (2, 4, 6, 7)), RNG.integers(-5, 6, (4, 4 // groups, 2, 3))
    bias = np.array([1, -2, 3, 0])
    first = x if secret == "weight" else session.share(x, bounds=(-5, 5))
    second = weight if secret == "input" else session.share(weight, bounds=(-5, 5))
    found = nn.conv2d(first, second, bias, stride, padding, dilation, groups)
    expected = looped(x, weight, stride, padding, dilation, groups) + bias[:, None, None]
    assert np.array_equal(found.reveal(), expected)
    assert np.array_equal(nn.conv2d(x, weight, bias, stride, padding, dilation, groups), expected)


def test_convolutions_of_lines() -> None:
    session = TrioSession()
    x, weight = RNG.integers(-20, 20, (3, 2, 9)) / 4, RNG.integers(-20, 20, (5, 2, 3)) / 4
    secret, kernel = session.share(x, bounds=(-5, 5)), session.share(weight, bounds=(-5, 5))
    expected = looped(x[:, :, None], weight[:, :, None], (1, 2), (0, 1), (1, 1), 1)[:, :, 0]
    assert np.array_equal(nn.conv1d(secret, kernel, stride=2, padding=1).reveal(), expected)
    same = nn.conv1d(secret, weight, padding="same", dilation=2).reveal()
    assert np.array_equal(same, looped(x[:, :, None], weight[:, :, None], (1, 1), (0, 2), (1, 2), 1)[:, :, 0])
    assert np.array_equal(nn.conv1d(secret[0], kernel, padding="valid").reveal(), nn.conv1d(x, weight)[0])
    even = nn.conv1d(session.share(np.arange(5), bounds=(0, 9))[None, None], np.array([[[1, 10]]]), padding="same")
    assert even.reveal().tolist() == [[[10, 21, 32, 43, 4]]]


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("lengths", [(1, 1), (7, 3), (3, 7), (6, 4), (4, 4)])
def test_convolve(mode: Any, lengths: tuple[int, int]) -> None:
    a, v = (RNG.integers(-9, 9, length) for length in lengths)
    session = TrioSession()
    x, y = (session.share(each, bounds=(-9, 9)) for each in (a, v))
    for first, second in ((x, y), (x, v), (a, y)):
        assert np.array_equal(np.convolve(first, second, mode).reveal(), np.convolve(a, v, mode))


def pooled(x: Any, kernel: Any, stride: Any, padding: Any, reduce: Any, *, ceil: bool = False) -> Any:
    """Windows of (height, width), their parts outside as NaN, given to `reduce` with the size of the padded part."""
    (height, width), found = x.shape, []
    counts = []
    for side, k, s, p in zip((height, width), kernel, stride, padding, strict=True):
        room = side + 2 * p - k
        number = (-(-room // s) if ceil else room // s) + 1
        counts.append(number - (ceil and (number - 1) * s >= side + p))
    for i, j in itertools.product(*map(range, counts)):
        top, left = i * stride[0] - padding[0], j * stride[1] - padding[1]
        rows = [r for r in range(top, top + kernel[0]) if r < height + padding[0]]
        columns = [c for c in range(left, left + kernel[1]) if c < width + padding[1]]
        inside = [x[r, c] for r in rows for c in columns if 0 <= r < height and 0 <= c < width]
        found.append(reduce(inside, len(rows) * len(columns)))
    return np.array(found).reshape(counts)


POOLS = [
    ((2, 2), None, (0, 0), False),
    ((3, 2), (2, 1), (1, 0), False),
    ((3, 3), (2, 2), (1, 1), True),
    ((2, 3), (3, 3), (1, 1), True),
]


@pytest.mark.parametrize("case", POOLS)
@pytest.mark.parametrize("factor", [1, -4])
def test_pools(case: Any, factor: int) -> None:
    kernel, stride, padding, ceil = case
    x = RNG.integers(-20, 20, (5, 6))
    secret = TrioSession(parties=factor == 1).share(x, bounds=(-20, 20))[None, None]
    secret, steps = (secret / factor if factor < 0 else secret), stride or kernel
    plain = x / factor if factor < 0 else x
    greatest = nn.max_pool2d(secret, kernel, stride, padding, ceil_mode=ceil)
    assert np.array_equal(
        greatest.reveal()[0, 0], pooled(plain, kernel, steps, padding, lambda v, _: max(v), ceil=ceil)
    )
    for counted in (True, False):
        mean = nn.avg_pool2d(secret, kernel, stride, padding, ceil, counted)
        expected = pooled(
            plain, kernel, steps, padding, lambda v, n, c=counted: sum(v) / (n if c else len(v)), ceil=ceil
        )
        assert np.allclose(mean.reveal()[0, 0], expected, rtol=0, atol=2e-5)
        assert np.allclose(nn.avg_pool2d(plain[None, None], kernel, stride, padding, ceil, counted)[0, 0], expected)
    third = nn.avg_pool2d(secret, kernel, stride, padding, ceil, divisor_override=3).reveal()[0, 0]
    assert np.array_equal(third, pooled(plain, kernel, steps, padding, lambda v, n: sum(v) / 3, ceil=ceil))


def test_pools_of_lines_and_of_decimals() -> None:
    session = TrioSession()
    x = session.share([[4, 1, 3, 8, 2]], bounds=(0, 9))
    assert nn.max_pool1d(x, 2).reveal().tolist() == [[4, 8]]
    assert nn.max_pool1d(x, 2, 1, dilation=2).reveal().tolist() == [[4, 8, 3]]
    assert nn.avg_pool1d(x, 3, 1).reveal().tolist() == [[8 / 3, 4, 13 / 3]]
    money = DecimalArray.of(session.share([[125, 250, 375]], bounds=(0, 1000)), 2)
    assert [str(one) for one in nn.max_pool1d(money, 2, 1).reveal()[0]] == ["2.50", "3.75"]
    assert [str(one) for one in nn.conv1d(money, np.array([[[1, 2]]])).reveal()[0]] == ["6.25", "10.00"]
    assert nn.avg_pool1d(money, 2, 1).reveal().tolist() == [[1.875, 3.125]]


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "dimensions": (lambda x: nn.conv2d(x, np.ones((1, 1, 1, 1))), ValueError, "batch, channels, height, width"),
    "channels": (lambda x: nn.conv1d(x, np.ones((1, 3, 1))), ValueError, "2 channels"),
    "groups": (lambda x: nn.conv1d(x, np.ones((3, 1, 1)), groups=2), ValueError, "2 groups"),
    "long": (lambda x: nn.conv1d(x, np.ones((1, 2, 9))), ValueError, "longer than 5"),
    "same with strides": (
        lambda x: nn.conv1d(x, np.ones((1, 2, 3)), padding="same", stride=2),
        ValueError,
        "stride of 1",
    ),
    "stride": (lambda x: nn.conv1d(x, np.ones((1, 2, 3)), stride=0), ValueError, "of 1 at least"),
    "bias": (lambda x: nn.conv1d(x, np.ones((1, 2, 3)), [1, 2]), ValueError, "1 outputs"),
    "indices": (lambda x: nn.max_pool1d(x, 2, return_indices=True), TypeError, "return_indices"),
    "padding": (lambda x: nn.max_pool1d(x, 2, padding=2), ValueError, "half of the kernel"),
    "no divisor": (lambda x: nn.avg_pool2d(x[None], 1, divisor_override=0), ValueError, "not 0"),
    "mode": (lambda x: np.convolve(x[0], [1, 2], "circular"), ValueError, "full"),
    "lines": (lambda x: tc.convolve(x, np.ones(2)), ValueError, "two lines"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_says_why(what: str) -> None:
    call, kind, words = REFUSED[what]
    with pytest.raises(kind, match=words):
        call(TrioSession().share(np.ones((2, 5), int), bounds=(0, 5)))


def test_public_bools_are_counted() -> None:
    """NumPy's products of bools are bools: sums of them were all 1."""
    x, weight = np.ones((1, 1, 4), bool), np.ones((1, 1, 3), bool)
    assert nn.conv1d(x, weight).tolist() == [[[3, 3]]]
    assert nn.conv_transpose1d(x, weight).tolist() == [[[1, 2, 3, 3, 2, 1]]]
    assert nn.conv1d_weight(x, (1, 1, 3), x[..., :2]).tolist() == [[[2, 2, 2]]]
    session = TrioSession()
    assert nn.conv1d(session.share(x), weight).reveal().tolist() == [[[3, 3]]]
    assert nn.max_pool1d(x, 2).dtype == bool


def test_numbers_beyond_what_plans_hold_are_refused() -> None:
    """A stride of 2^70 ended by an OverflowError of NumPy."""
    for x in (np.ones((1, 1, 4)), TrioSession().share(np.ones((1, 1, 4)), bounds=(0, 1))):
        for number in (1 << 70, (1 << 40) + 1):
            with pytest.raises(ValueError, match="stride is 2\\^40 at most"):
                nn.avg_pool1d(x, 2, number)
        assert nn.avg_pool1d(x, 2, 1 << 40).shape == (1, 1, 1)
