"""Layers of networks, on secret and on public arrays, against what torch's documentation says, written out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from plan_trio import TrioSession
from tercet import nn
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan

RNG = np.random.default_rng(21)
NEAR = 2e-4


def normalised(x: Any, axes: Any, eps: float) -> Any:
    mean = x.mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=axes, keepdims=True) + eps)


def both(session: TrioSession, value: Any, size: float) -> Any:
    return session.share(value, bounds=(-size, size))


def test_linear() -> None:
    session = TrioSession(parties=True)
    x, weight, bias = RNG.uniform(-2, 2, (3, 2, 5)), RNG.uniform(-1, 1, (4, 5)), RNG.uniform(-1, 1, 4)
    expected = np.einsum("abi,oi->abo", x, weight) + bias
    for second in (weight, both(session, weight, 1)):
        found = nn.linear(both(session, x, 2), second, bias)
        assert np.abs(found.reveal() - expected).max() < NEAR
    assert np.allclose(nn.linear(x, weight, bias), expected)
    assert np.abs(nn.linear(x, both(session, weight, 1)).reveal() + bias - expected).max() < NEAR


def test_embedding() -> None:
    session = TrioSession(parties=True)
    table = RNG.uniform(-1, 1, (7, 3))
    places = np.array([[0, 6, 3], [3, 3, 1]])
    secret, known = session.share(places, bounds=(0, 6)), both(session, table, 1)
    for x, weight in ((secret, known), (secret, table), (places, known)):
        assert np.abs(nn.embedding(x, weight).reveal() - table[places]).max() < NEAR
    assert np.array_equal(nn.embedding(places, table), table[places])


def test_a_public_place_that_is_none_is_refused() -> None:
    """One below 0 counted from the end, where a secret one gives zeros."""
    session = TrioSession()
    table = np.eye(3)
    for weight in (table, session.share(table, bounds=(0, 1))):
        for wrong in (-1, 3):
            with pytest.raises(IndexError, match="places are from"):
                nn.embedding(np.array([0, wrong]), weight)


@pytest.mark.parametrize("eps", [1e-5, 0.3, 0])
def test_layer_norm_is_bounded_whatever_comes_in(eps: float) -> None:
    session = TrioSession()
    x = RNG.uniform(-3, 3, (4, 2, 5))
    weight, bias = RNG.uniform(0.5, 2, (2, 5)), RNG.uniform(-1, 1, (2, 5))
    expected = normalised(x, (1, 2), eps) * weight + bias
    assert np.allclose(nn.layer_norm(x, (2, 5), weight, bias, eps), expected)
    wide = session.share(x, bounds=(-1000, 1000))
    found = nn.layer_norm(wide, (2, 5), weight, bias, eps)
    assert np.abs(found.reveal() - expected).max() < 1e-3
    bare = nn.layer_norm(wide, (2, 5), eps=eps)
    assert max(map(abs, bare.bounds)) < math.sqrt(9) * 1.01
    plan = compile_plan([Wanted(bare.node, OutputKind.REVEAL)], LAN)
    assert not any(op.type.claimed for op in plan.operations)


def test_a_line_of_equal_elements_is_zero() -> None:
    session = TrioSession()
    x = session.share(np.full((2, 4), 1.5), bounds=(-4, 4))
    for eps in (1e-5, 0):
        assert np.abs(nn.layer_norm(x, 4, eps=eps).reveal()).max() < 1e-3


def test_group_norm() -> None:
    session = TrioSession()
    x, weight, bias = RNG.uniform(-3, 3, (2, 6, 3, 2)), RNG.uniform(0.5, 2, 6), RNG.uniform(-1, 1, 6)
    expected = normalised(x.reshape(2, 3, 12), 2, 1e-5).reshape(x.shape) * weight[:, None, None] + bias[:, None, None]
    assert np.allclose(nn.group_norm(x, 3, weight, bias), expected)
    found = nn.group_norm(both(session, x, 3), 3, both(session, weight, 2), bias)
    assert np.abs(found.reveal() - expected).max() < 1e-3


def test_batch_norm() -> None:
    session = TrioSession()
    x, weight, bias = RNG.uniform(-3, 3, (5, 3, 4)), RNG.uniform(0.5, 2, 3), RNG.uniform(-1, 1, 3)
    mean, variance = RNG.uniform(-1, 1, 3), RNG.uniform(0.5, 2, 3)
    around = (slice(None), None)
    trained = normalised(x, (0, 2), 1e-5) * weight[around] + bias[around]
    run = (x - mean[around]) / np.sqrt(variance[around] + 1e-5) * weight[around] + bias[around]
    assert np.allclose(nn.batch_norm(x, None, None, weight, bias, training=True), trained)
    assert np.allclose(nn.batch_norm(x, mean, variance, weight, bias), run)
    secret = both(session, x, 3)
    found = nn.batch_norm(secret, None, None, both(session, weight, 2), both(session, bias, 1), training=True)
    assert np.abs(found.reveal() - trained).max() < 1e-3
    kept = session.share(variance, bounds=(0, 2))
    for statistics in ((mean, variance), (both(session, mean, 1), kept)):
        found = nn.batch_norm(secret, *statistics, weight, both(session, bias, 1))
        assert np.abs(found.reveal() - run).max() < 1e-3


def test_dropout_is_public_and_the_same_by_its_seed() -> None:
    session = TrioSession()
    x = session.share(np.ones((40, 50)), bounds=(-1, 1))
    found = nn.dropout(x, 0.25, seed=3)
    plain = nn.dropout(np.ones((40, 50)), 0.25, seed=3)
    assert np.abs(found.reveal() - plain).max() < NEAR
    assert set(np.unique(plain)) == {0, 4 / 3}
    assert abs((plain == 0).mean() - 0.25) < 0.04
    assert (nn.dropout(np.ones(200), seed=1) != nn.dropout(np.ones(200), seed=2)).any()
    assert nn.dropout(x, 0.25, training=False, seed=3) is x


def test_derivatives_of_convolutions_are_adjoint() -> None:
    """What torch.nn.grad gives: numbers whose products with an input, or a kernel, are those of the output."""
    session = TrioSession(parties=True)
    for sides in (1, 2, 3):
        conv, by_input, by_weight = (getattr(nn, f"conv{sides}d{end}") for end in ("", "_input", "_weight"))
        how: Any = {
            "stride": (2, 1, 1)[:sides],
            "padding": (1, 0, 1)[:sides],
            "dilation": (1, 2, 1)[:sides],
            "groups": 2,
        }
        x = RNG.integers(-4, 5, (2, 4, *(6, 5, 4)[:sides]))
        weight = RNG.integers(-4, 5, (6, 2, *(3, 2, 2)[:sides]))
        y = RNG.integers(-4, 5, conv(x, weight, **how).shape)
        total = (conv(x, weight, **how) * y).sum()
        secret_x, secret_weight, secret_y = (both(session, one, 4) for one in (x, weight, y))
        for first, second in ((weight, y), (secret_weight, secret_y), (weight, secret_y), (secret_weight, y)):
            found = by_input(x.shape, first, second, **how)
            found = found if isinstance(found, np.ndarray) else found.reveal()
            assert found.shape == x.shape and (found * x).sum() == total
        for first, second in ((x, y), (secret_x, secret_y), (x, secret_y)):
            found = by_weight(first, weight.shape, second, **how)
            found = found if isinstance(found, np.ndarray) else found.reveal()
            assert found.shape == weight.shape and (found * weight).sum() == total


def spread(x: Any, weight: Any, stride: int, padding: int, behind: int, dilation: int, groups: int) -> Any:
    """A transposed convolution of lines: every element adds its kernel to where it stands."""
    length = (x.shape[2] - 1) * stride + dilation * (weight.shape[2] - 1) + 1 + behind
    own = x.shape[1] // groups
    found = np.zeros((x.shape[0], weight.shape[1] * groups, length), x.dtype)
    for c in range(x.shape[1]):
        outputs = slice(c // own * weight.shape[1], (c // own + 1) * weight.shape[1])
        for at in range(x.shape[2]):
            for k in range(weight.shape[2]):
                found[:, outputs, at * stride + k * dilation] += x[:, c, at][:, None] * weight[c, :, k]
    return found[:, :, padding : length - padding]


@pytest.mark.parametrize("how", [(1, 0, 0, 1, 1), (2, 1, 1, 1, 2), (3, 2, 2, 2, 1)])
def test_transposed_convolutions(how: tuple[int, int, int, int, int]) -> None:
    stride, padding, behind, dilation, groups = how
    session = TrioSession(parties=True)
    x, weight, bias = RNG.integers(-4, 5, (2, 4, 5)), RNG.integers(-4, 5, (4, 3, 3)), RNG.integers(-4, 5, 3 * groups)
    expected = spread(x, weight, *how) + bias[:, None]
    for first, second in ((x, weight), (both(session, x, 4), both(session, weight, 4)), (both(session, x, 4), weight)):
        found = nn.conv_transpose1d(first, second, bias, stride, padding, behind, groups, dilation)
        assert np.array_equal(found if isinstance(found, np.ndarray) else found.reveal(), expected)
    found = nn.conv_transpose2d(
        both(session, x[0][:, None], 4),
        weight[:, :, None],
        bias,
        (1, stride),
        (0, padding),
        (0, behind),
        groups,
        (1, dilation),
    )
    assert np.array_equal(found.reveal()[:, 0], expected[0])


@pytest.mark.parametrize("secret", [False, True])
def test_pools_over_three_sides_and_over_what_a_size_asks_for(secret: bool) -> None:
    x = RNG.integers(-9, 9, (1, 2, 4, 5, 6))
    given = TrioSession().share(x, bounds=(-9, 9)) if secret else x
    plain = lambda found: found.reveal() if secret else found
    parts = x[..., :4, :4, :6].reshape(1, 2, 2, 2, 2, 2, 3, 2)
    assert np.array_equal(plain(nn.max_pool3d(given, 2)), parts.max(axis=(3, 5, 7)))
    assert np.allclose(plain(nn.avg_pool3d(given, 2)), parts.mean(axis=(3, 5, 7)), atol=NEAR)
    whole = plain(nn.adaptive_avg_pool3d(given, 1))
    assert np.allclose(whole, x.mean(axis=(2, 3, 4), keepdims=True), atol=NEAR)
    image = given[:, :, 0]
    found = plain(nn.adaptive_avg_pool2d(image, (2, 4)))
    rows, columns = [(0, 3), (2, 5)], [(0, 2), (1, 3), (3, 5), (4, 6)]
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            expected = x[:, :, 0, top:bottom, left:right].mean(axis=(2, 3))
            assert np.allclose(found[:, :, i, j], expected, atol=NEAR)
    line = plain(nn.adaptive_avg_pool1d(image[:, :, 0], 3))
    assert np.allclose(line, x[:, :, 0, 0].reshape(1, 2, 3, 2).mean(axis=3), atol=NEAR)
    deep = plain(nn.conv3d(given, np.ones((1, 2, 1, 1, 6), int)))
    assert np.array_equal(deep[:, 0, :, :, 0], x.sum(axis=(1, 4)))


REFUSED: dict[str, tuple[Any, str]] = {
    "features": (lambda x: nn.linear(x, np.ones((2, 3))), "shape"),
    "table": (lambda x: nn.embedding(x, np.ones(3)), "entries, width"),
    "shape": (lambda x: nn.layer_norm(x, 3), "normalized_shape"),
    "eps": (lambda x: nn.layer_norm(x, 5, eps=-1), "not negative"),
    "weight": (lambda x: nn.layer_norm(x, 5, np.ones(3)), "a weight of shape"),
    "groups": (lambda x: nn.group_norm(x, 3), "3 groups"),
    "statistics": (lambda x: nn.batch_norm(x), "running_mean"),
    "line": (lambda x: nn.batch_norm(x[0], training=True), "batch, channels"),
    "p": (lambda x: nn.dropout(x, 1, seed=1), "below 1"),
    "derivative": (lambda x: nn.conv1d_input((1, 1, 9), np.ones((1, 1, 2)), x[None]), "go together"),
    "transposed": (lambda x: nn.conv_transpose1d(x, np.ones((3, 1, 1))), "2 channels"),
    "behind": (lambda x: nn.conv_transpose1d(x, np.ones((2, 1, 1)), None, 2, 0, 2), "less than the stride"),
    "nothing left": (lambda x: nn.conv_transpose1d(x, np.ones((2, 1, 1)), None, 1, 3), "leaves nothing"),
    "dimensions": (lambda x: nn.conv1d_weight(x, (1, 1, 2), x), "3 dimensions"),
    "size": (lambda x: nn.adaptive_avg_pool1d(x, 0), "of 1 at least"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_says_why(what: str) -> None:
    call, words = REFUSED[what]
    with pytest.raises(ValueError, match=words):
        call(TrioSession().share(np.ones((2, 5), int), bounds=(0, 5)))
