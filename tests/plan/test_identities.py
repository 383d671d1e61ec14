"""Bounds by identity: they hold, nodes prove them, and what only looks like an identity does not get its bounds."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession
from tercet import linalg, special
from tercet.plan.bounds.extremes import difference, reaches_zero
from tercet.plan.bounds.relations import quotient_limit
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.scale import bounded
from tercet.plan.table.reasons import CHOSEN, DERIVED, DIAGONAL, FOUND, NORMED, POWERS, Reason

LAST = 2.0**-16
SIDE = 9.0


def _by_deviation(x: Any, axis: int) -> Any:
    return (x - x.mean(axis=axis, keepdims=True)) / np.std(x, axis=axis, keepdims=True)


def _diagonal(x: Any) -> Any:
    return x[range(x.shape[0]), range(x.shape[0])]


def _by_norm(x: Any) -> Any:
    return x / np.sqrt((x * x).sum(axis=1, keepdims=True))


def _norms(x: Any) -> Any:
    return np.sqrt((x * x).sum(axis=1))


def _centred(x: Any) -> Any:
    return x - x.mean(axis=0)


# name -> (what is computed of square matrices x and y and bools b, its range, the reason)
IDENTITIES: dict[str, tuple[Callable[[Any, Any, Any], Any], tuple[float, float], Reason | None]] = {
    "max - min": (lambda x, y, b: x.max() - x.min(), (0, 2 * SIDE), CHOSEN),
    "of columns": (lambda x, y, b: x.max(axis=0) - x.min(axis=0), (0, 2 * SIDE), CHOSEN),
    "of rows": (lambda x, y, b: x.max(axis=1) - x.min(axis=1), (0, 2 * SIDE), CHOSEN),
    "x - min": (lambda x, y, b: x - x.min(axis=1, keepdims=True), (0, 2 * SIDE), CHOSEN),
    "x - max": (lambda x, y, b: x - x.max(), (-2 * SIDE, 0), CHOSEN),
    "max - mean": (lambda x, y, b: x.max() - x.mean(), (0, 2 * SIDE), CHOSEN),
    "min - mean of columns": (lambda x, y, b: x.min(axis=0) - x.mean(axis=0), (-2 * SIDE, 0), CHOSEN),
    "|x| - x": (lambda x, y, b: abs(x) - x, (0, 2 * SIDE), CHOSEN),
    "x + |x|": (lambda x, y, b: x + abs(x), (0, 2 * SIDE), CHOSEN),
    "x - |x|": (lambda x, y, b: x - abs(x), (-2 * SIDE, 0), CHOSEN),
    "max(x, y) - x": (lambda x, y, b: np.maximum(x, y) - x, (0, 2 * SIDE), CHOSEN),
    "y - min(x, y)": (lambda x, y, b: y - np.minimum(x, y), (0, 2 * SIDE), CHOSEN),
    "max(x, y) - min(x, y)": (lambda x, y, b: np.maximum(x, y) - np.minimum(x, y), (0, 2 * SIDE), CHOSEN),
    "max(x, 0) - x": (lambda x, y, b: np.maximum(x, 0) - x, (0, SIDE), CHOSEN),
    "x - clip(x)": (lambda x, y, b: x - np.clip(x, -3, 4), (3 - SIDE, SIDE - 4), CHOSEN),
    "x beside repeated y": (lambda x, y, b: np.maximum(x, y[0]) - y[0], (0, 2 * SIDE), CHOSEN),
    "sum of powers": (lambda x, y, b: np.exp(x - x.max()).sum(), (1, 25), POWERS),
    "of rows of powers": (lambda x, y, b: np.exp(x - x.max(axis=1, keepdims=True)).sum(axis=1), (1, 5), POWERS),
    "all powers, by row": (lambda x, y, b: np.exp(x - x.max(axis=1, keepdims=True)).sum(), (1, 25), POWERS),
    "powers of less than the least": (lambda x, y, b: np.exp((x.min() - x) / 2).sum(), (1, 25), POWERS),
    "of held powers": (lambda x, y, b: np.exp(np.maximum(x - x.max(), -4)).sum(), (1, 25), POWERS),
    "softmax": (lambda x, y, b: np.exp(x - x.max()) / np.exp(x - x.max()).sum(), (0, 1), None),
    "diagonal": (lambda x, y, b: _diagonal(x.T @ x), (0, 5 * SIDE**2), DIAGONAL),
    "diagonal of x x^T": (lambda x, y, b: _diagonal(x @ x.T), (0, 5 * SIDE**2), DIAGONAL),
    "trace": (lambda x, y, b: _diagonal(x.T @ x).sum(), (0, 25 * SIDE**2), None),
    "diagonal by name": (lambda x, y, b: linalg.diagonal(x.T @ x), (0, 5 * SIDE**2), DIAGONAL),
    "trace by name": (lambda x, y, b: np.trace(x @ x.T), (0, 25 * SIDE**2), None),
    "an element of it": (lambda x, y, b: (x.T @ x)[2, 2], (0, 5 * SIDE**2), DIAGONAL),
    "vector by itself": (lambda x, y, b: x[:1] @ x[:1].T, (0, 5 * SIDE**2), NORMED),
    "correlations": (lambda x, y, b: _by_deviation(x, 0).T @ _by_deviation(x, 0) / 5, (-1, 1), NORMED),
    "correlations of two": (lambda x, y, b: _by_deviation(x, 1) @ _by_deviation(y, 1).T / 5, (-1, 1), NORMED),
    "mean of products of scores": (
        lambda x, y, b: (_by_deviation(x, 0) * _by_deviation(y, 0)).mean(axis=0),
        (-1, 1),
        None,
    ),
    "cosines": (lambda x, y, b: _by_norm(x) @ _by_norm(y).T, (-1, 1), NORMED),
    "cosines of all pairs": (lambda x, y, b: (x @ y.T) / (_norms(x)[:, None] * _norms(y)), (-1, 1), DERIVED),
    "cosines by an outer product": (lambda x, y, b: (x @ x.T) / np.outer(_norms(x), _norms(x)), (-1, 1), DERIVED),
    "cosines by the root of a product": (
        lambda x, y, b: (x @ x.T) / np.sqrt((x * x).sum(axis=1)[:, None] * (x * x).sum(axis=1)),
        (-1, 1),
        DERIVED,
    ),
    "rows by unit vectors": (lambda x, y, b: (x @ y.T) / _norms(x)[:, None], (-SIDE * 5**0.5, SIDE * 5**0.5), DERIVED),
    "r squared of columns": (
        lambda x, y, b: (_centred(x) * _centred(y)).mean(axis=0) ** 2 / (x.var(axis=0) * y.var(axis=0)),
        (0, 1),
        None,
    ),
    "to the range": (lambda x, y, b: (x - x.min()) / (x.max() - x.min()), (0, 1), None),
    "mean of what is set": (lambda x, y, b: (x * b).sum(axis=0) / b.sum(axis=0), (-SIDE, SIDE), None),
    "median": (lambda x, y, b: np.median(x, axis=0), (-SIDE, SIDE), None),
    "quantiles": (lambda x, y, b: np.quantile(x, [0.1, 0.7]), (-SIDE, SIDE), None),
}


def _values(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """With ties, ends and equal columns among them."""
    x, y = (np.round(rng.uniform(-SIDE, SIDE, (5, 5)) * 65536) / 65536 for _ in range(2))
    x[rng.integers(5), rng.integers(5)] = rng.choice([-SIDE, SIDE])
    x[:, 1] = x[:, 0] if rng.random() < 0.5 else x[0, 1]
    return x, y, np.vstack([np.ones(5, bool), rng.integers(0, 2, (4, 5)).astype(bool)])


def _shared(session: TrioSession, values: tuple[Any, Any, Any]) -> list[Any]:
    return [session.share(one, bounds=None if one.dtype == bool else (-SIDE, SIDE)) for one in values]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", IDENTITIES)
def test_they_hold_and_are_proven(name: str, seed: int) -> None:
    """Every value of the plan lies in its type, which the oracle checks, and nothing is a claim at a node."""
    program, (lo, hi), reason = IDENTITIES[name]
    session, values = TrioSession(), _values(np.random.default_rng(seed))
    found = program(*_shared(session, values))
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = program(*values)
    result = found.reveal()
    assert np.allclose(result, np.nan_to_num(expected), rtol=2**-12, atol=2**-12)
    low, high = found.bounds
    slack = 8 * LAST * max(1, abs(hi))
    assert lo - slack <= low and high <= hi + slack, (low, high)
    read = Plan.from_bytes(session.plans[-1].to_bytes())
    assert not any(op.type.claimed for op in read.operations)
    if reason is not None:
        assert reason.number in [getattr(op.attrs, "reason", None) for op in read.operations]


@pytest.mark.parametrize("name", ["cosines of all pairs", "cosines by an outer product", "r squared of columns"])
def test_quotients_by_both_norms_at_three_parties(name: str) -> None:
    """Also where rows are of a few last bits, and where one is 0."""
    program = IDENTITIES[name][0]
    for size in (2 * LAST, 1, SIDE):
        session, rng = TrioSession(parties=True), np.random.default_rng(5)
        x, y = (np.round(rng.uniform(-size, size, (5, 4)) * 65536) / 65536 for _ in range(2))
        x[2], x[:, 3] = 0, 0
        found = program(*(session.share(one, bounds=(-SIDE, SIDE)) for one in (x, y)), None)
        with np.errstate(invalid="ignore"):
            expected = np.nan_to_num(program(x, y, None))
        assert np.max(np.abs(found.reveal() - expected)) <= 2 * LAST


ROWS = 100_000
LARGE: dict[str, tuple[Callable[[Any, Any, Any], Any], tuple[float, float]]] = {
    "scores": (lambda t, x, y: (x - x.mean()) / x.std(), (-ROWS, ROWS)),
    "squares of scores": (lambda t, x, y: ((x - x.mean()) / x.std()) ** 2, (0, ROWS)),
    "softmax": (lambda t, x, y: np.exp(x - x.max()) / np.exp(x - x.max()).sum(), (0, 1)),
    "cosine": (lambda t, x, y: x @ y / (np.linalg.norm(x) * np.linalg.norm(y)), (-1, 1)),
    "correlation": (
        lambda t, x, y: (
            ((x - x.mean()) * (y - y.mean())).sum()
            / (np.sqrt(((x - x.mean()) ** 2).sum() * ((y - y.mean()) ** 2).sum()))
        ),
        (-1, 1),
    ),
    "correlation of scores": (
        lambda t, x, y: (((x - x.mean()) / x.std()) * ((y - y.mean()) / y.std())).mean(),
        (-1, 1),
    ),
    "cosines of all pairs": (
        lambda t, x, y: (t[:40] @ t[:50].T) / (_norms(t[:40])[:, None] * _norms(t[:50])),
        (-1, 1),
    ),
    "cosines of columns": (lambda t, x, y: (t.T @ t) / np.outer(_norms(t.T), _norms(t.T)), (-1, 1)),
    "correlations": (lambda t, x, y: np.corrcoef(t, rowvar=False), (-1, 1)),
    "r squared": (
        lambda t, x, y: (
            ((x - x.mean()) * (y - y.mean())).mean() ** 2
            / (((x - x.mean()) ** 2).mean() * ((y - y.mean()) ** 2).mean())
        ),
        (0, 1),
    ),
    "r squared by var": (
        lambda t, x, y: ((x - x.mean()) * (y - y.mean())).mean() ** 2 / (x.var() * y.var()),
        (0, 1),
    ),
    "r squared by one after the other": (
        lambda t, x, y: ((x - x.mean()) * (y - y.mean())).mean() ** 2 / x.var() / y.var(),
        (0, 1),
    ),
    "correlation by std": (
        lambda t, x, y: ((x - x.mean()) * (y - y.mean())).mean() / (x.std() * y.std()),
        (-1, 1),
    ),
    "correlation by sums": (
        lambda t, x, y: ((x * y).mean() - x.mean() * y.mean()) / (x.std() * y.std()),
        (-1, 1),
    ),
    "to the range": (lambda t, x, y: (x - x.min()) / (x.max() - x.min()), (0, 1)),
    "logistic gradient": (
        lambda t, x, y: t.T @ (special.expit(np.clip(x, -8, 8)) - (y > 0)) / ROWS,
        (-(2.0**20), 2.0**20),
    ),
    "step of k means": (
        lambda t, x, y: (x * (abs(x - 1) < abs(x + 1))).sum() / (abs(x - 1) < abs(x + 1)).sum(),
        (-(2.0**20), 2.0**20),
    ),
    "entropy of a histogram": (
        lambda t, x, y: special.entr((np.floor(x / 8)[:, None] == np.arange(-2, 2)).mean(axis=0)).sum(),
        (-0.01, 4.01),
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_hundred_thousand_rows_at_default_bounds(name: str) -> None:
    """They are recorded without `assume`, and nothing is a claim."""
    program, (lo, hi) = LARGE[name]
    session, side = TrioSession(), 2.0**20
    t, x, y = (session.share(np.zeros((ROWS, *rest)), bounds=(-side, side)) for rest in ((3,), (), ()))
    found = program(t, x, y)
    assert not found.node.type.claimed
    low, high = found.bounds
    slack = 8 * LAST * max(1, hi)
    assert lo - slack <= low <= high <= hi + slack, (low, high)


def test_what_only_looks_like_it_is_none() -> None:
    """Another array, other axes, other places, another order, a mean, integers that were rounded apart."""
    session = TrioSession()
    x, y, b = _shared(session, _values(np.random.default_rng(1)))
    top, left = x.max(axis=0), x.max(axis=1)
    free: dict[str, tuple[Any, Any]] = {
        "of another array": (x.max(), y.min()),
        "of other axes": (top, x.min(axis=1)),
        "of columns by rows": (x, left),
        "of the transposed": (x.T, top),
        "of rows in the opposite order": (top[::-1], x.min(axis=0)),
        "as a column beside a row": (top[:, None], x.min(axis=0)),
        "of some": (x, x[:3].max(axis=0)),
        "of more than the greatest": (x.max() + 1, x),
        "of what is masked": (x, (x * b).max()),
        "the greatest of another": (np.maximum(x, y), x.T),
        "the lesser": (x, np.maximum(y, x.T)),
        "chosen by another bit": (np.where(y > 0, x, y), x),
        "the size of another": (abs(y), x),
        "twice": (abs(x), 2 * x),
    }
    for name, (p, q) in free.items():
        p, q = p.node, q.node
        lo, hi = difference(p, q)
        assert lo < 0 < hi, name
    assert (5 * x.max(axis=1) - x.sum(axis=0)).bounds[0] < 0  # each of a column by a row
    assert (x.max(axis=1, keepdims=True) * 5 - x.sum(axis=1)).bounds[0] < 0
    assert (4 * x.max() - x.sum()).bounds[0] < 0
    assert (np.maximum(x, y).sum() - x.max()).bounds[0] < 0


def test_powers_that_need_not_add_up_to_1() -> None:
    session = TrioSession()
    x, y, b = _shared(session, _values(np.random.default_rng(2)))
    below = x - x.max()
    for exponent, axes in (
        (x - y.max(), (0, 1)),
        (x - x.max(axis=1), (0,)),  # each row by another row's greatest
        (x - x.max(axis=0), (1,)),  # there is a 0 in every column, not in every row
        (x - x.max(axis=1, keepdims=True), (0,)),
        (below, (0,)),
        (below - 0.5, (0, 1)),
        (below * b - 1, (0, 1)),
        (below[1:], (0, 1)),
        (np.minimum(below, -1), (0, 1)),
        (np.maximum(x - x.max(), 1), (0, 1)),
        (x - abs(x).max(), (0, 1)),
        (x.T - x.max(axis=0), (0,)),
    ):
        assert not reaches_zero(exponent.node, axes), (exponent, axes)
    each = np.exp(below)
    assert each.sum(axis=0).bounds[0] < 0.1 and (each * b).sum().bounds[0] < 0.1 and each.sum().bounds[0] > 0.99
    assert each[1:].sum().bounds[0] < 0.1 and np.where(b, each, 0).sum().bounds[0] < 0.1
    assert (each / each.sum(axis=0)).bounds[1] < 1.1 and (each / each[:4].sum()).bounds[1] > 1.1


def test_products_that_are_no_gram_matrix() -> None:
    session = TrioSession()
    x, y, _ = _shared(session, _values(np.random.default_rng(3)))
    for product in (x @ x, x @ y, x.T @ y, x.T @ x[::-1], (x.T @ x) - 1, x.T @ abs(x)):
        assert _diagonal(product).bounds[0] < 0
    gram = x.T @ x
    at = np.arange(5)
    assert gram[at, at[::-1]].bounds[0] < 0 and gram[0, 1].bounds[0] < 0 and gram[:4, 1:][at[:4], at[:4]].bounds[0] < 0
    assert (x[:1] @ y[:1].T).bounds[0] < 0 and (x[:1] @ x[1:2].T).bounds[0] < 0 and gram.bounds[0] < 0
    z, other = _by_deviation(x, 0), _by_deviation(x, 1)
    for product, tight in (
        (z @ z.T, 5),  # divided by norms of columns, multiplied by rows
        (z.T @ other, 5),
        ((z + z).T @ z, 5),
        (_by_norm(x).T @ _by_norm(x), 1),
        (_by_norm(x) @ x.T, 1),
        ((x / np.sqrt((y * y).sum(axis=1, keepdims=True))) @ _by_norm(x).T, 1),
        ((x / np.sqrt((x * x).sum(axis=1))) @ _by_norm(x).T, 1),
    ):
        assert product.bounds[1] > 1.1 * tight
    over = _norms(x)[:, None] * _norms(y)
    assert ((x @ y.T) / over).bounds[1] < 1.1
    for product in (
        (y @ x.T) / over,
        (x @ y) / over,
        (x.T @ y.T) / over,
        (x @ y.T) / over.T,
        (x @ y.T)[::-1] / over,
        (x @ y.T + 1) / over,
        (x @ y.T) / (_norms(x)[:, None] * _norms(x)),
        (x @ y.T) / (_norms(x) * _norms(y)[:, None]),
        (x @ y.T) / (_norms(x)[:, None] * _norms(y)[:, None]),
        (x @ y.T) / (_norms(x)[:, None] * _norms(y[:, 1:])),
        (x @ y.T) / (_norms(x.T)[:, None] * _norms(y)),
        (x @ y.T).reshape(1, 25) / (_norms(x)[:, None] * _norms(y)).T.reshape(1, 25),
    ):
        assert product.bounds[1] > 2
    shifted = (x - y.mean(axis=0)) / x.std(axis=0)
    assert (shifted.T @ shifted / 5).bounds[1] > 1.1


def test_quotients_that_are_not_within_1() -> None:
    session = TrioSession()
    x, y, b = _shared(session, _values(np.random.default_rng(4)))
    least, width = x.min(), x.max() - x.min()
    assert quotient_limit((x - least).node, width.node) == 1
    for a, c in (
        (x - least, y.max() - y.min()),
        (y - least, width),
        (2 * x - 2 * least, width),
        (x - least + 1, width),
        (x - least, width - 1),
        (x - y.min(), x.max() - y.min() - 1),
        (x.T - x.min(axis=0), x.max(axis=0) - x.min(axis=0)),
    ):
        assert quotient_limit(a.node, c.node) is None
    set_ = b.sum(axis=0)
    assert quotient_limit((x * b).sum(axis=0).node, set_.node) == int(SIDE * 65536)
    for a, c in (
        ((x * b).sum(axis=0), b.sum(axis=1)),
        ((x * b).sum(axis=1), set_),
        ((x * b).sum(axis=0)[:, None], set_),
        ((x * b).sum(axis=0)[::-1], set_),
        ((x * y).sum(axis=0), y.sum(axis=0)),
        ((x * b)[1:].sum(axis=0), set_),
        ((x * b).sum(axis=0), (~b).sum(axis=0)),
    ):
        assert quotient_limit(a.node, c.node) is None


@pytest.mark.parametrize("frac_bits", [16, 20, 24, 40])
def test_entropies(frac_bits: int) -> None:
    session, last = TrioSession(), 2.0**-frac_bits
    x = session.share(np.array([0.0, 0.25, np.exp(-1), 1]), bounds=(0, 1), frac_bits=frac_bits)
    y = session.share(np.array([0.5, 0.25, 0.3, 1]), bounds=(0, 1), frac_bits=frac_bits)
    for found in (special.entr(x), -special.xlogy(x, x), -(x * np.log(x))):
        lo, hi = found.bounds
        assert -4 * last <= lo and np.exp(-1) <= hi <= np.exp(-1) + 4 * last and not found.node.type.claimed
        assert np.max(np.abs(found.reveal() - [0, 0.25 * np.log(4), np.exp(-1), 0])) <= 4 * last + 1e-9
    for other in (special.xlogy(y, x), y * np.log(x), x * np.log(y), x * np.log2(x), x[::-1] * np.log(x)):
        assert other.bounds[0] < -0.45


def test_relative_entropies() -> None:
    """At three parties, at the place of the least one, too."""
    values = np.array([0.0, 0.25, 1.5, 3 / np.e, 4, 2 / np.e])
    others = np.array([0.5, 0.25, 4, 3, 0.001, 2])
    for hi in (4, 100):
        session = TrioSession(parties=True)
        x, y, z = (session.share(one, bounds=(0, hi)) for one in (values, others, others))
        found = special.rel_entr(x, y)
        assert -hi / np.e - 8 * LAST <= found.bounds[0] <= -hi / np.e and not found.node.type.claimed
        x_, y_ = (np.round(one * 65536) / 65536 for one in (values, others))
        wanted = np.where(x_ > 0, x_ * np.log(np.where(x_ > 0, x_, 1) / y_), 0)
        assert np.max(np.abs(found.reveal() - wanted) / np.maximum(1, np.abs(wanted))) < 2 * LAST
        assert not any(op.type.claimed for op in Plan.from_bytes(session.plans[-1].to_bytes()).operations)
        by_hand = x * (np.log(x) - np.log(y))
        assert -hi / np.e - 1e-3 * hi < by_hand.bounds[0] < -0.36 * hi
        for other in (
            x * (np.log(y) - np.log(x)),
            z * (np.log(x) - np.log(y)),
            x * (np.log2(x) - np.log2(y)),
            x * (np.log(x) + np.log(y)),
            x[::-1] * (np.log(x) - np.log(y)),
            (x - 1) * (np.log(x) - np.log(y)),
        ):
            assert other.bounds[0] < -1.2 * hi


def test_mixtures() -> None:
    """Between two values by public parts that are the same whole everywhere."""
    session = TrioSession()
    x, y, _ = _shared(session, _values(np.random.default_rng(6)))
    part = np.array([0, 1, 3, 7, 10])
    assert (x * part + y * (10 - part)).bounds == (-10 * SIDE, 10 * SIDE)
    for one, other in ((part, 11 - part[::-1]), (part, 9 - part), (part - 1, 11 - part), (part, 10 - part[:, None])):
        assert (x * one + y * other).bounds[1] > 10 * SIDE


def test_false_claims_are_found_out() -> None:
    """Whoever writes a plan by hand may state any of these reasons; a node finds what its own search finds."""
    session = TrioSession()
    x, y, _ = _shared(session, _values(np.random.default_rng(5)))
    for reason in FOUND:
        for node in (
            (x.max() - y.min()).node,
            (np.maximum(x, y) - x.T).node,
            (x @ y).node,
            _diagonal(x.T @ y).node,
        ):
            narrowed = bounded(node, 0, node.type.hi, reason)
            assert narrowed.type.claimed
            read = Plan.from_bytes(compile_plan([Wanted(narrowed, OutputKind.REVEAL)], LAN).to_bytes())
            assert read.operations[-1].type.claimed
    true = (x.max() - x.min()).node
    narrower = bounded(true, 1, true.type.hi, CHOSEN)
    assert narrower.type.claimed and not true.type.claimed


@pytest.mark.parametrize("seed", range(40))
def test_random_choices(seed: int) -> None:
    """Random extremes, sizes, clips and their differences lie within what is found of them."""
    rng, session = random.Random(seed), TrioSession()
    plain = [np.array([[rng.randint(-9, 9) for _ in range(3)] for _ in range(3)]) for _ in range(2)]
    pairs = [(session.share(one, bounds=(-9, 9)), one) for one in plain]
    found: list[tuple[Any, Any]] = list(pairs)
    steps: list[Callable[[Any, Any], Any]] = [
        lambda a, b: a - b,
        lambda a, b: a + b,
        lambda a, b: np.maximum(a, b),
        lambda a, b: np.minimum(a, b),
        lambda a, b: abs(a),
        lambda a, b: -a,
        lambda a, b: np.clip(a, -4, 3),
        lambda a, b: a.max(axis=0),
        lambda a, b: a.min(axis=0),
        lambda a, b: a.max(axis=1, keepdims=True),
        lambda a, b: a.min(),
        lambda a, b: 3 * a.max(axis=0) - b.sum(axis=0),
        lambda a, b: a.T,
        lambda a, b: np.where(a > b, a, b),
    ]
    for _ in range(24):
        (a, p), (b, q) = rng.choice(found[-8:]), rng.choice(found)
        step = rng.choice(steps)
        if min(a.ndim, b.ndim) < 2 and step not in steps[:7] + steps[13:]:
            continue
        found.append((step(a, b), np.asarray(step(p, q))))
    results = tc.reveal(*(one for one, _ in found), found[0][0])
    for (array, expected), result in zip(found, results, strict=False):
        assert np.array_equal(result, expected)
        lo, hi = array.bounds
        assert lo <= expected.min() and expected.max() <= hi and not array.node.type.claimed
