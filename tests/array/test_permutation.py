"""Secret permutations as objects and shuffles, against NumPy; what is drawn, in parties that run."""

from __future__ import annotations

import copy
import pickle
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

import tercet
from array_strategies import check
from plan_trio import TrioSession, array_of
from tercet import array as tc
from tercet.array import Permutation
from tercet.errors import PlanError


@pytest.fixture
def session() -> TrioSession:
    return TrioSession()


@pytest.fixture(scope="module")
def net() -> Iterator[tercet.Session]:
    with tercet.local() as session:
        yield session


def test_a_permutation_from_keys_is_numpy_s(session: TrioSession) -> None:
    rng = np.random.default_rng(1)
    keys, other = rng.integers(-4, 4, 30), rng.integers(0, 3, 30)
    x, y = rng.integers(-99, 99, 30), rng.integers(-64, 64, (30, 2)) / 8
    flags = x > 0
    k, o = session.share(keys, bounds=(-4, 4)), session.share(other, bounds=(0, 3))
    a, b, c = session.share(x, bounds=(-99, 99)), session.share(y, bounds=(-8, 8)), session.share(flags)
    falling = np.argsort(-keys, kind="stable")
    for p, order in (
        (Permutation.argsort(k), np.argsort(keys, kind="stable")),
        (Permutation.argsort(k, descending=True), falling),
        (Permutation.argsort([o, k]), np.lexsort((other, keys))),
        (Permutation.argsort(k - k), np.arange(30)),
        (Permutation.argsort(session.share(flags)), np.argsort(flags, kind="stable")),
    ):
        assert len(p) == 30 and "secret" in repr(p)
        check(p.indices(), order)
        for found, expected in zip(p.apply(a, b, c), (x[order], y[order], flags[order]), strict=True):
            check(found, expected)
        undone = p.invert()
        check(undone.apply(a), x[np.argsort(order)])
        check(undone.indices(), np.argsort(order))
        check(undone.invert().apply(p.invert().apply(a)), x)
        check(p.compose(Permutation.argsort(k, descending=True)).apply(a), x[order][falling])
        check(undone.compose(p).indices(), np.arange(30))
    moved = Permutation.argsort(k).apply(session.share(y.T, bounds=(-8, 8)), axis=1)
    check(moved, y.T[:, np.argsort(keys, kind="stable")])
    # what rides along keeps its bounds and type
    assert Permutation.argsort(k).apply(a).dtype == a.dtype


def test_short_ones(session: TrioSession) -> None:
    for length in (0, 1, 2):
        x = session.share(np.arange(length), bounds=(0, 5))
        p = Permutation.argsort(x)
        check(p.apply(x), np.arange(length))
        check(p.indices(), np.arange(length))
        check(p.compose(p.invert()).indices(), np.arange(length))
        assert tc.shuffle(x).shape == (length,)


def test_what_is_drawn_is_kept_or_drawn_anew(net: tercet.Session) -> None:
    x = np.arange(300)
    secret = net.share(x, bounds=(0, 300))
    p = net.permutation(300)
    order = p.indices().reveal()
    assert np.array_equal(np.sort(order), x) and not np.array_equal(order, x)
    # the same in later jobs
    assert np.array_equal(p.apply(secret).reveal(), order)
    assert np.array_equal(p.invert().indices().reveal(), np.argsort(order))
    one, two = tercet.reveal(Permutation.drawn(net, 300).indices(), Permutation.drawn(net, 300).indices())
    assert not np.array_equal(one, two)
    kept = Permutation.argsort(-secret).persist()
    assert np.array_equal(kept.apply(secret).reveal(), x[::-1])


def test_shuffles_keep_rows_together(net: tercet.Session) -> None:
    rng = np.random.default_rng(2)
    x, y = np.arange(200), rng.integers(-64, 64, (200, 2)) / 8
    a, b = net.share(x, bounds=(0, 200)), net.share(y, bounds=(-8, 8))
    one, two = tercet.reveal(*tercet.shuffle(a, b))
    assert np.array_equal(np.sort(one), x) and not np.array_equal(one, x)
    assert np.array_equal(two, y[one])
    kept = tc.shuffle(a).persist()
    assert np.array_equal(kept.reveal(), kept.reveal())
    first, second = tercet.reveal(tc.shuffle(a), tc.shuffle(a))
    assert not np.array_equal(first, second)
    columns = tc.shuffle(net.share(y.T, bounds=(-8, 8)), axis=1).reveal()
    assert Counter(map(tuple, columns.T.tolist())) == Counter(map(tuple, y.tolist()))


def test_every_order_of_a_shuffle_is_as_likely(net: tercet.Session) -> None:
    """2,400 lines of three in one job, each by a draw of its own."""
    from tercet.plan.table.attributes import DrawnLines, Undoing

    graph = net.graph
    drawn = graph.node("draw_order", (), DrawnLines(2400, 3, graph.draw_number()))
    places = array_of(net, graph.node("order_places", (drawn,), Undoing()))
    seen = Counter(map(tuple, places.reveal().tolist()))
    assert len(seen) == 6
    assert sum((count - 400) ** 2 / 400 for count in seen.values()) < 30


def test_refusals(session: TrioSession, net: tercet.Session) -> None:
    x = session.share([3, 1, 2], bounds=(0, 3))
    p = Permutation.argsort(x)
    for call, error, says in (
        (Permutation, TypeError, "session.permutation"),
        (lambda: Permutation.argsort([1, 2]), TypeError, "secret line"),
        (lambda: Permutation.argsort([x, session.share([1], bounds=(0, 3))]), ValueError, "one length"),
        (lambda: p.apply([1, 2, 3]), TypeError, "secret arrays"),
        (lambda: p.apply(session.share([1, 2], bounds=(0, 3))), ValueError, "3 places"),
        (lambda: p.apply(x, session.share([1, 2], bounds=(0, 3))), ValueError, "one length"),
        (lambda: p.compose(x), TypeError, "permutation"),
        (lambda: p.compose(Permutation.drawn(session, 4)), ValueError, "one session, shape"),
        (lambda: Permutation.drawn(session, True), TypeError, "number of places"),
        (lambda: net.permutation(-1), TypeError, "number of places"),
        (lambda: list(p), TypeError, "indices"),
        (lambda: hash(p), TypeError, "unhashable"),
        (lambda: np.argsort(p), TypeError, "indices"),  # type: ignore[call-overload]
        (lambda: np.isin(p, [1]), TypeError, "indices"),
        (lambda: np.arange(3) + p, TypeError, "indices"),
        (lambda: tc.concat([x, p]), TypeError, "indices"),
        (lambda: tc.where(x > 1, x, p), TypeError, "indices"),
        (lambda: tc.take(x, p), TypeError, "indices"),
        (lambda: p == Permutation.argsort(x), TypeError, "compared"),
        (lambda: p != x, TypeError, "compared"),
        (lambda: x == p, TypeError, "indices"),
        (lambda: pickle.dumps(p), TypeError, "persist"),
        (lambda: Permutation.drawn(session, 1 << 32), PlanError, "at most 2"),
        (lambda: tc.shuffle(tc.broadcast_to(x[:1], (1 << 33,))), PlanError, "at most 2"),
        (lambda: tc.sort(tc.broadcast_to(x[:1, None], (1 << 20, 1 << 13))), PlanError, "at most 2"),
        (lambda: tc.shuffle(np.arange(3)), TypeError, "secret arrays"),
        (lambda: tc.shuffle(session.share(3, bounds=(0, 3))), ValueError, "one axis"),
    ):
        with pytest.raises(error, match=says):
            call()
    assert copy.deepcopy(p) is copy.copy(p) is p


def test_what_it_costs(session: TrioSession) -> None:
    """Several columns ride along in one pass: one opening, and four words an element and column."""
    columns = [session.share(np.arange(1000), bounds=(0, 1000)) for _ in range(4)]
    p = Permutation.drawn(session, 1000)
    one, four = (tercet.explain(*found) for found in ([p.apply(columns[0])], p.apply(*columns)))
    assert four.rounds == one.rounds
    assert four.bytes_per_party - one.bytes_per_party == 3 * 4 * 8 * 1000 / 3


def test_rows_of_no_elements_ride_along() -> None:
    session = TrioSession(parties=True)
    keys, none = session.share([3, 1, 2], bounds=(0, 3)), session.share(np.zeros((3, 0)))
    order = tc.Permutation.argsort(keys)
    moved = [order.apply(none), order.apply(none, keys)[0], tc.shuffle(none), tc.sort_by(keys, none)[0]]
    assert [each.reveal().shape for each in moved] == [(3, 0)] * 4
    assert order.apply(none, keys)[1].reveal().tolist() == [1, 2, 3]
    only = tc.Permutation.argsort(session.share([5], bounds=(0, 9)))
    assert only.indices().reveal().tolist() == only.invert().indices().reveal().tolist() == [0]


@pytest.mark.parametrize("shape", [(3, 5), (2, 1, 4), (1, 1), (0, 3), (3, 0), (2, 70)])
def test_a_permutation_of_each_line(shape: tuple[int, ...]) -> None:
    session, rng = TrioSession(parties=True), np.random.default_rng(6)
    keys, values = rng.integers(-2, 3, shape), rng.integers(-99, 99, shape) / 4
    secret, other = session.share(keys, bounds=(-2, 2)), session.share(values, bounds=(-30, 30))
    for axis in range(len(shape)):
        order = np.argsort(keys, axis=axis, kind="stable")
        p = tc.Permutation.argsort(secret, axis=axis)
        twice = np.take_along_axis(order, order, axis)
        first, second, flags = p.apply(secret, other, secret > 0)
        cases = [
            (first, np.take_along_axis(keys, order, axis)),
            (second, np.take_along_axis(values, order, axis)),
            (flags, np.take_along_axis(keys > 0, order, axis)),
            (p.indices(), order),
            (p.invert().indices(), np.argsort(order, axis=axis)),
            (p.invert().apply(p.apply(other, axis=axis)), values),
            (p.compose(p).apply(other), np.take_along_axis(values, twice, axis)),
            (p.compose(p.invert()).apply(other), values),
        ]
        for found, (_, expected) in zip(tc.reveal(*(one for one, _ in cases)), cases, strict=True):
            assert np.array_equal(found, expected)
    falling = tc.Permutation.argsort([other, secret], descending=True)
    expected = np.take_along_axis(values, np.lexsort([-values, -keys], axis=-1), -1)
    assert np.array_equal(falling.apply(other).reveal(), expected)
    assert repr(falling).startswith("Permutation(") and len(falling) == shape[-1]


def test_a_permutation_of_each_line_moves_arrays_of_its_shape() -> None:
    session = TrioSession()
    x = session.share(np.arange(6).reshape(2, 3))
    p = tc.Permutation.argsort(x)
    with pytest.raises(ValueError, match=r"of its shape \(2, 3\) along axis 1"):
        p.apply(x[0])
    with pytest.raises(ValueError, match="along axis 1"):
        p.apply(x, axis=0)
    with pytest.raises(ValueError, match="shape and axis are composed"):
        p.compose(tc.Permutation.argsort(x, axis=0))
    same = tc.Permutation.argsort(session.share(np.full((2, 3), 7), bounds=(7, 7)))
    assert np.array_equal(same.apply(x).reveal(), np.arange(6).reshape(2, 3))
    assert np.array_equal(p.persist().apply(x).reveal(), np.arange(6).reshape(2, 3))


def test_what_a_permutation_has_not_leads_on() -> None:
    p = Permutation.argsort(TrioSession().share([3, 1, 2], bounds=(0, 5)))
    with pytest.raises(AttributeError, match=r"p\.indices\(\), which reveal\(\) shows"):
        p.reveal()
    assert p.indices().reveal().tolist() == [1, 2, 0] and not hasattr(p, "shape")
