"""Losses, on secret and on public arrays, against what torch's documentation says, written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plan_trio import TrioSession
from tercet import nn

RNG = np.random.default_rng(22)
NEAR = 3e-4
REDUCED = {"none": lambda x: x, "sum": np.sum, "mean": np.mean}


def log_softmax(x: Any) -> Any:
    return (
        x - x.max(axis=1, keepdims=True) - np.log(np.exp(x - x.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True))
    )


@pytest.mark.parametrize("reduction", REDUCED)
def test_losses_of_numbers(reduction: str) -> None:
    session = TrioSession()
    x, y = RNG.uniform(-3, 3, (4, 5)), RNG.uniform(0, 1, (4, 5))
    p = RNG.uniform(0.01, 0.99, (4, 5))
    secret, target = session.share(x, bounds=(-3, 3)), session.share(y, bounds=(0, 1))
    likely = session.share(p, bounds=(0, 1))
    reduced = REDUCED[reduction]
    crossed = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    scored = np.log1p(np.exp(x)) - x * y
    for function, given, plain, expected in (
        (nn.mse_loss, secret, x, (x - y) ** 2),
        (nn.l1_loss, secret, x, np.abs(x - y)),
        (nn.binary_cross_entropy, likely, p, crossed),
        (nn.binary_cross_entropy_with_logits, secret, x, scored),
    ):
        wanted = reduced(expected)
        assert np.allclose(function(plain, y, reduction=reduction), wanted)
        for other in (target, y):
            found = function(given, other, reduction=reduction).reveal()
            assert np.abs(found - wanted).max() < NEAR * (20 if reduction == "sum" else 1), function.__name__


@pytest.mark.parametrize("reduction", REDUCED)
def test_losses_of_classes(reduction: str) -> None:
    session = TrioSession()
    x, classes = RNG.uniform(-3, 3, (4, 3, 2)), RNG.integers(0, 3, (4, 2))
    likely = RNG.uniform(0, 1, (4, 3, 2))
    logarithms = log_softmax(x)
    expected = -np.take_along_axis(logarithms, classes[:, None], 1)[:, 0]
    secret, ids = session.share(x, bounds=(-3, 3)), session.share(classes, bounds=(0, 2))
    known = session.share(logarithms, bounds=(-9, 0))
    reduced = REDUCED[reduction]
    assert np.allclose(nn.cross_entropy(x, classes, reduction=reduction), reduced(expected))
    assert np.allclose(nn.nll_loss(logarithms, classes, reduction=reduction), reduced(expected))
    slack = NEAR * (8 if reduction == "sum" else 1)
    for target in (classes, ids):
        assert np.abs(nn.cross_entropy(secret, target, reduction=reduction).reveal() - reduced(expected)).max() < slack
        assert np.abs(nn.nll_loss(known, target, reduction=reduction).reveal() - reduced(expected)).max() < slack
    among = reduced(-(likely * logarithms).sum(axis=1))
    for target in (likely, session.share(likely, bounds=(0, 1))):
        assert np.abs(nn.cross_entropy(secret, target, reduction=reduction).reveal() - among).max() < slack
    assert np.allclose(nn.cross_entropy(x, likely, reduction=reduction), among)


def test_a_public_class_that_is_none_is_refused() -> None:
    """It had a loss of 0."""
    session = TrioSession()
    x = log_softmax(RNG.uniform(-3, 3, (2, 3)))
    for scores in (x, session.share(x, bounds=(-9, 0))):
        for wrong in ([0, -1], [3, 0]):
            with pytest.raises(IndexError, match="classes are from"):
                nn.nll_loss(scores, np.array(wrong))
        with pytest.raises(IndexError, match="public integers"):
            nn.nll_loss(scores, np.array([0.0, 1.0]))
    certain = np.array([[0.0, -np.inf, -np.inf]])
    assert nn.nll_loss(certain, np.array([0])) == 0


def test_differences_of_public_bools_are_numbers() -> None:
    x = np.array([[True, False]])
    assert nn.mse_loss(x, ~x) == nn.l1_loss(x, ~x) == 1


def test_impossible_events_have_finite_losses() -> None:
    p, y = np.array([0.0, 1.0, 0.5]), np.array([0.0, 1.0, 1.0])
    assert np.allclose(nn.binary_cross_entropy(p, y, reduction="none"), [0, 0, np.log(2)])
    assert nn.binary_cross_entropy(np.array([0.0]), np.array([1.0])) == 100
    session = TrioSession()
    found = nn.binary_cross_entropy(session.share(p, bounds=(0, 1)), y, reduction="none").reveal()
    assert np.abs(found - [0, 0, np.log(2)]).max() < NEAR


REFUSED: dict[str, tuple[Any, str]] = {
    "shapes": (lambda x: nn.mse_loss(x, np.ones(3)), "shape"),
    "reduction": (lambda x: nn.mse_loss(x, x, reduction="average"), "'none', 'sum' or 'mean'"),
    "classes": (lambda x: nn.nll_loss(x, np.ones(3, int)), "batch, classes"),
    "line": (lambda x: nn.cross_entropy(x[0], 1), "batch, classes"),
    "nothing": (lambda x: nn.mse_loss(x[:0], x[:0]), "no losses"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_says_why(what: str) -> None:
    call, words = REFUSED[what]
    with pytest.raises(ValueError, match=words):
        call(TrioSession().share(np.ones((2, 5), int), bounds=(0, 5)))
