"""Orders, counts and places of arrays with missing values: as pandas has them, missing last and passed over."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

import tercet.array as tc
from plan_trio import TrioSession
from tercet import stats
from tercet.array.core import SecretArray
from tercet.array.decimals import DecimalArray
from tercet.array.nullable import NullableArray

SOME = settings(max_examples=8)
runs = st.sampled_from([False, False, True])
lines = st.lists(st.none() | st.integers(-3, 4), min_size=1, max_size=9)
KINDS = ["integers", "halves", "decimals", "a quotient", "bools"]


def shared(session: TrioSession, values: Any, kind: str) -> tuple[Any, pd.Series[Any]]:
    """A secret array some of whose values are missing, and what pandas has for it."""
    known = np.array([value is not None for value in values])
    whole = np.array([7 if value is None else value for value in values], np.int64)
    there = session.share(known)
    bounds = (-3, 7)
    if kind == "bools":
        x: SecretArray = session.share(whole > 0)
        plain = (whole > 0).astype(float)
    elif kind == "decimals":
        x, plain = DecimalArray.of(session.share(whole, bounds=bounds), 1), whole / 10
    elif kind == "halves":
        x, plain = session.share(whole / 2, bounds=bounds), whole / 2
    elif kind == "a quotient":
        x, plain = session.share(whole, bounds=bounds) / -4, whole / -4
    else:
        x, plain = session.share(whole, bounds=bounds), whole.astype(float)
    return NullableArray.of_values(x, there), pd.Series(np.where(known, plain, np.nan))


class Cases:
    """Pairs of what is found and what is expected, revealed in one job, in which what they share is computed once."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Any, Any]] = []

    def __enter__(self) -> Callable[[Any, Any], None]:
        return lambda found, expected: self._pairs.append((found, expected))

    def __exit__(self, *failed: Any) -> None:
        if failed[0] is None:
            found = (
                tc.reveal(*(one for one, _ in self._pairs)) if len(self._pairs) > 1 else [self._pairs[0][0].reveal()]
            )
            for one, (_, expected) in zip(found, self._pairs, strict=True):
                compared(one, expected)


def compared(found: Any, expected: Any) -> None:
    """Plain, missing as NaN."""
    gone = np.ma.getmaskarray(found) if isinstance(found, np.ma.MaskedArray) else None
    plain = np.asarray(np.ma.getdata(found) if gone is not None else found)
    if plain.dtype == object:
        plain = np.array([np.nan if one is None else float(one) for one in plain.reshape(-1)]).reshape(plain.shape)
    plain = plain.astype(float)
    if gone is not None:
        plain = np.where(gone, np.nan, plain)
    np.testing.assert_allclose(plain, np.asarray(expected, float), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@given(values=lines, run=runs)
@SOME
def test_sorts_put_what_is_missing_last(kind: str, values: Any, run: bool) -> None:
    with Cases() as same:
        x, s = shared(TrioSession(parties=run), values, kind)
        for descending in (False, True):
            order = s.sort_values(ascending=not descending, kind="stable", na_position="last")
            same(tc.sort(x, descending=descending), order)
            same(tc.argsort(x, descending=descending), order.index)
        same(np.partition(x, 0), s.sort_values())
        first, minor = tc.sort_by(x, x, np.arange(len(s)) + tc.zeros_like(x.notna()))
        same(first, s.sort_values())
        same(minor, s.sort_values(kind="stable").index)
        same(tc.lexsort([x, x.isna()]), s.sort_values(kind="stable").index)
        same(tc.Permutation.argsort(x).apply(x), s.sort_values())
        same(np.sort(tc.shuffle(x)), s.sort_values())
        same(tc.compact(x.notna(), x)[0], s.sort_values(key=lambda one: one.isna(), kind="stable"))


@pytest.mark.parametrize("kind", KINDS)
@given(values=lines, run=runs)
@SOME
def test_ranks_and_distinct_elements(kind: str, values: Any, run: bool) -> None:
    with Cases() as same:
        x, s = shared(TrioSession(parties=run), values, kind)
        for method in ("average", "min", "max", "dense", "ordinal"):
            same(stats.rankdata(x, method), s.rank(method="first" if method == "ordinal" else method))  # type: ignore[arg-type]
        counts = s.value_counts().sort_index()
        size, missing = len(s) + 1, np.nan
        found = tc.unique_counts(x, size=size)
        same(found.values, [*counts.index, *[missing] * (size - len(counts))])
        same(found.counts, [*counts, *[0] * (size - len(counts))])
        same(found.number, len(counts))
        same(tc.unique_values(x, size=1).values, [*counts.index, missing][:1])
        mode = stats.mode(x)
        if len(counts):
            same(mode.mode, s.mode()[0])
        else:
            assert mode.mode.isna().reveal()
        same(mode.count, counts.max() if len(counts) else 0)


@given(values=lines, run=runs)
@SOME
def test_the_mode_of_wide_bounds(values: Any, run: bool) -> None:
    with Cases() as same:
        session = TrioSession(parties=run)
        x, s = shared(session, values, "integers")
        wide = NullableArray.of_values(x.values + session.share([0] * len(s), bounds=(0, 1 << 30)), x.notna())
        found = stats.mode(wide)
        same(found.count, s.value_counts().max() if s.notna().any() else 0)
        same(found.mode, s.mode()[0] if s.notna().any() else np.nan)


@pytest.mark.parametrize("kind", KINDS)
@given(values=lines, run=runs, largest=st.booleans(), data=st.data())
@SOME
def test_first_and_extreme_elements(kind: str, values: Any, run: bool, largest: bool, data: Any) -> None:
    with Cases() as same:
        x, s = shared(TrioSession(parties=run), values, kind)
        k = data.draw(st.integers(1, len(s)))
        order = s.sort_values(ascending=not largest, kind="stable")
        found = tc.top_k(x, k, largest=largest)
        same(found.values, order[:k])
        known = order.notna().to_numpy()[:k]
        same(found.indices * known.astype(int), order.index.to_numpy()[:k] * known)
        some = bool(s.notna().any())
        for function, name in ((np.min, "min"), (np.max, "max")):
            same(function(x), getattr(s, name)())
            same(getattr(x, name)(), getattr(s, name)())
        same(np.argmin(x), s.argmin() if some else 0)
        same(tc.argmax(x), s.argmax() if some else 0)
        same(np.ptp(x) if kind != "bools" else x.max(), s.max() - s.min() if kind != "bools" else s.max())
        same(np.maximum.accumulate(x), s.cummax())
        same(np.minimum.accumulate(x), s.cummin())
        same(np.cumsum(x), s.cumsum())
        if kind not in ("bools", "a quotient"):
            same(np.maximum(x, 1), np.maximum(s, 1))
            same(tc.diff(x), s.diff()[1:])


@pytest.mark.parametrize("kind", KINDS[:4])
@given(values=lines, run=runs, q=st.sampled_from([0, 0.25, 0.5, 0.1, 1, 1 / 3]))
@SOME
def test_quantiles_pass_over_what_is_missing(kind: str, values: Any, run: bool, q: float) -> None:
    with Cases() as same:
        x, s = shared(TrioSession(parties=run), values, kind)
        same(np.median(x), s.median() if s.notna().any() else np.nan)
        for method in ("linear", "lower", "higher", "midpoint"):
            same(np.quantile(x, q, method=method), s.quantile(q, interpolation=method))  # type: ignore[arg-type]
        same(np.percentile(x, [10, 50, 90]), s.quantile([0.1, 0.5, 0.9]))


@given(run=runs, seed=st.integers(0, 99))
@SOME
def test_along_axes(run: bool, seed: int) -> None:
    with Cases() as same:
        session, rng = TrioSession(parties=run), np.random.default_rng(seed)
        plain, known = rng.integers(-3, 4, (3, 5)), rng.random((3, 5)) < 0.6
        x = NullableArray.of_values(session.share(plain, bounds=(-3, 3)), session.share(known))
        table = pd.DataFrame(np.where(known, plain, np.nan))
        for axis in (0, 1, -1):
            same(tc.sort(x, axis=axis), np.sort(table, axis=axis))
            same(np.median(x, axis=axis), table.median(axis=axis % 2))
            same(stats.rankdata(x, axis=axis), table.rank(axis=axis % 2))
            same(np.max(x, axis=axis, keepdims=True), np.expand_dims(table.max(axis=axis % 2), axis))
            same(np.argmin(x, axis=axis), np.argmin(np.where(known, plain, 9), axis=axis))
            same(np.maximum.accumulate(x, axis), table.cummax(axis=axis % 2))
            same(np.sum(x, axis=axis), table.sum(axis=axis % 2))
            same(stats.mode(x, axis=axis).count, [int(one.value_counts().max()) if one.notna().any() else 0
                 for one in (table.T if axis % 2 else table).to_dict("series").values()])  # fmt: skip
        same(
            np.quantile(x, [0.5, 0.25], axis=None), np.nanquantile(table, [0.5, 0.25]) if known.any() else [np.nan] * 2
        )
        same(np.median(x, axis=(0, 1), keepdims=True), np.full((1, 1), np.nanmedian(table) if known.any() else np.nan))


@given(values=lines, run=runs)
@SOME
def test_bins(values: Any, run: bool) -> None:
    with Cases() as same:
        session = TrioSession(parties=run)
        x, s = shared(session, values, "integers")
        edges, there = np.array([-3, -1, 0, 2, 3, 4]), s.dropna()
        same(np.searchsorted(edges, x), s.map(lambda one: np.searchsorted(edges, one), na_action="ignore"))
        same(np.digitize(x, edges), s.map(lambda one: np.digitize(one, edges), na_action="ignore"))
        same(np.digitize(x, edges[::-1]), s.map(lambda one: np.digitize(one, edges[::-1]), na_action="ignore"))
        same(np.histogram(x, edges)[0], np.histogram(there, edges)[0])
        same(np.histogram(x, 9, range=(-3, 6))[0], np.histogram(there, 9, range=(-3, 6))[0])
        weights = np.arange(len(s))
        same(np.histogram(x, edges, weights=weights)[0], np.histogram(there, edges, weights=weights[s.notna()])[0])
        same(np.isin(x, [1, 2, 7]), s.isin([1, 2, 7]))
        same(np.isin(x, [1, 2, 7], invert=True), ~s.isin([1, 2, 7]))
        same(np.isin(np.arange(8), x), np.isin(np.arange(8), there))
        codes = NullableArray.of_values(session.share([abs(one or 0) for one in values], bounds=(0, 9)), x.notna())
        same(np.bincount(codes), np.bincount(there.abs().astype(int), minlength=10))
        same(np.bincount(codes, weights), np.bincount(there.abs().astype(int), weights[s.notna()], minlength=10))


@pytest.mark.parametrize("size", [3, 6])
@given(values=lines, run=runs, seed=st.integers(0, 99))
@SOME
def test_groups(size: int, values: Any, run: bool, seed: int) -> None:
    with Cases() as same:
        session, rng = TrioSession(parties=run), np.random.default_rng(seed)
        x, s = shared(session, values, "halves")
        plain, placed = rng.integers(0, 5, len(s)), rng.random(len(s)) < 0.7
        codes = NullableArray.of_values(session.share(plain, bounds=(0, 7)), session.share(placed))
        groups = s.groupby(pd.Series(np.where(placed, plain, np.nan)))
        every = range(size)
        same(tc.segment_sum(x, codes, size), groups.sum().reindex(every, fill_value=0))
        same(tc.segment_count(codes, size), groups.size().reindex(every, fill_value=0))
        same(tc.segment_mean(x, codes, size), groups.mean().reindex(every))
        same(tc.segment_min(x, codes, size), groups.min().reindex(every))
        same(tc.segment_max(x, codes, size), groups.max().reindex(every))
        for method in ("average", "min", "max", "dense", "ordinal"):
            same(tc.segment_rank(x, codes, method), groups.rank("first" if method == "ordinal" else method))
        plain_codes = session.share(plain, bounds=(0, 7))
        same(tc.segment_max(x, plain_codes, size), s.groupby(plain).max().reindex(every))
        same(tc.segment_rank(x, plain_codes), s.groupby(plain).rank())
        same(
            tc.segment_rank(x.fillna(1), codes), s.fillna(1).groupby(pd.Series(np.where(placed, plain, np.nan))).rank()
        )


def test_joined() -> None:
    with Cases() as same:
        session = TrioSession()
        x, s = shared(session, [1, None, 3], "integers")
        same(tc.concat([x, session.share([5])]), [1, np.nan, 3, 5])
        same(tc.stack([x, x]), [s, s])


def test_the_names_of_numpy_reduce_as_the_methods_do() -> None:
    with Cases() as same:
        x, s = shared(TrioSession(), [1, None, 3, 4], "integers")
        for name in ("sum", "mean", "var", "std", "min", "max"):
            same(getattr(np, name)(x), s.agg(name, **({"ddof": 0} if name in ("var", "std") else {})))
        flags = NullableArray.of_values(x.values > 2, x.notna())
        assert np.any(flags).reveal() and not np.all(flags).reveal()
        same(np.cumprod(x), s.cumprod())
        same(np.count_nonzero(x), 3)
        same(np.clip(x, 2, 3), s.clip(2, 3))


REFUSED: dict[str, tuple[Any, str]] = {
    "a line to search": (lambda x: np.searchsorted(x, [1]), "ascending order: fill"),
    "other quantiles": (lambda x: np.quantile(x, 0.5, method="nearest"), "linear, lower, higher, midpoint"),
    "functions of lines": (lambda x: np.corrcoef(x, x), "fillna"),
    "running values with one more": (lambda x: tc.cumulative_sum(x, include_initial=True), "include_initial.*fill"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_says_what_to_do(what: str) -> None:
    call, words = REFUSED[what]
    with pytest.raises(TypeError, match=words):
        call(shared(TrioSession(), [1, None], "integers")[0])


def test_operators_of_numpy_leave_the_answer_to_ours() -> None:
    with Cases() as same:
        x, s = shared(TrioSession(), [1, None, 3], "integers")
        for op in (operator.add, operator.sub, operator.mul, operator.lt, operator.eq):
            found, expected = op(np.array([1, 2, 4]), x), op(np.array([1, 2, 4]), s)
            same(found, expected)
        assert scipy.stats.rankdata([1]) == 1
