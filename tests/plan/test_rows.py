"""Row tracking: what is claimed of a value holds when records are changed and exchanged; and known attacks fail."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import plan_oracle as oracle
from plan_trio import TrioSession
from random_plans import Drawn, drawn_plans
from tercet import nn, stats
from tercet.array import Grouped, loop
from tercet.array.nullable import NullableArray
from tercet.errors import IntegrityError, PlanError
from tercet.linear_model import LinearRegression
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan, PlanOperation, PlanOutput, operand_handle, stored_input
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.rows import axes, facts
from tercet.plan.rows import track as rows
from tercet.plan.rows.cut import Along, Cut, NotRowwise
from tercet.plan.rows.facts import Facts
from tercet.plan.rows.places import NOWHERE, Partition, RowOrder
from tercet.plan.rows.states import Aggregate, Rows, RowState, Spread, state_from_json, state_to_json
from tercet.plan.rows.track import follow, track
from tercet.plan.table.attributes import LoopCount
from tercet.plan.table.operation import Flow
from tercet.plan.table.operations import BY_NAME, OPERATIONS
from tercet.plan.types import bool_type

Data = dict[tuple[str, str], Any]


def test_every_operation_says_what_it_does_with_rows() -> None:
    unknown = [op.name for op in OPERATIONS if op.rows is Flow.UNKNOWN]
    assert not unknown, f"give {unknown} a flow in the table, and the flow a rule in plan/rows/axes.py"


def test_every_flow_has_a_rule() -> None:
    without = {flow for flow in Flow if flow not in axes._RULES}
    assert without == {Flow.UNKNOWN, Flow.LEAF, Flow.LOOP, Flow.ORDERED, Flow.DRAWN}


def random_data(drawn: Drawn, seed: int) -> Data:
    rng = np.random.default_rng(seed)
    return {
        (dataset, name): rng.integers(0, 2, drawn.rows[dataset]).astype(bool)
        if name == "f"
        else rng.integers(-3, 4, drawn.rows[dataset])
        for dataset, name in drawn.columns.values()
    }


def run(drawn: Drawn, data: Data) -> list[Any]:
    inputs = {handle: data[column] for handle, column in drawn.columns.items()}
    types = dict(drawn.plan.inputs())
    inputs = {handle: oracle.plain(inputs[handle], type) for handle, type in types.items()}
    return oracle.all_values(drawn.plan, inputs, check=False)


Numbering = dict[str, RowOrder]


def rows_of(dataset: str, numbers: list[int], count: int, numbering: Numbering) -> list[int]:
    """Where in a dataset the rows of these numbers are; those that it has not are -1."""
    if dataset in numbering:
        place = {int(number): row for row, number in enumerate(numbering[dataset].at(np.arange(count)))}
        return [place.get(number, -1) for number in numbers]
    return [number if number < count else -1 for number in numbers]


def changed(data: Data, datasets: set[str], rows: list[int], seed: int, numbering: Numbering) -> Data:
    """Other records in the rows of these numbers."""
    rng = np.random.default_rng(seed)
    result = dict(data)
    for (dataset, name), column in data.items():
        if dataset in datasets:
            column = column.copy()
            there = [row for row in rows_of(dataset, rows, len(column), numbering) if row >= 0]
            column[there] = ~column[there] if name == "f" else rng.integers(-3, 4, len(there))
            result[dataset, name] = column
    return result


def exchanged(data: Data, datasets: set[str], i: int, j: int, numbering: Numbering) -> Data:
    """The records of the rows of two numbers exchanged; a dataset without such rows takes no part."""
    result = dict(data)
    for (dataset, name), column in data.items():
        pair = rows_of(dataset, [i, j], len(column), numbering)
        if dataset in datasets and min(pair) >= 0:
            column = column.copy()
            column[pair] = column[pair[::-1]]
            result[dataset, name] = column
    return result


def labels(partition: Partition | None, count: int) -> list[int]:
    return [int(label) for label in (partition or Partition.whole(0)).at(np.arange(count))]


@settings(max_examples=250)
@given(drawn_plans(), st.integers(0, 1000), st.sampled_from([(), ("b",), ("a", "b")]))
def test_claims_hold(drawn: Drawn, seed: int, keyed: tuple[str, ...]) -> None:
    """Every claim of the analysis, on every value, against the plain meaning of the plan."""
    shuffle = np.random.default_rng(seed).permutation
    numbering = {d: RowOrder.of_rows(shuffle(7)[: drawn.rows[d]]) for d in keyed if d in drawn.rows}
    inputs = {handle: {dataset: Rows(0, drawn.rows[dataset])} for handle, (dataset, _) in drawn.columns.items()}
    facts, space_of = follow(drawn.plan, inputs, numbering=numbering)
    members = {space: {d for d, s in space_of.items() if s == space} for space in space_of.values()}
    rows = {space: 7 if numbering else max(drawn.rows[d] for d in members[space]) for space in members}
    data = random_data(drawn, seed)
    base = run(drawn, data)
    known: dict[Any, list[Any]] = {}

    def after(what: Any, other: Data) -> list[Any]:
        if what not in known:
            known[what] = run(drawn, other)
        return known[what]

    for space, joint in members.items():
        every = after((space,), changed(data, joint, list(range(rows[space])), seed, numbering))
        singles = [after((space, r), changed(data, joint, [r], seed, numbering)) for r in range(rows[space])]
        swaps = {
            (i, j): after((space, i, j), exchanged(data, joint, i, j, numbering))
            for i, j in combinations(range(rows[space]), 2)
        }
        for index, value in facts.items():
            op = drawn.plan.maker(index)
            if op.is_constant:
                continue
            state = value.states.get(space)
            what = f"operation {index} ({op.operation.name}), {state}"
            if state is None:
                assert np.array_equal(every[index], base[index]), what
            elif isinstance(state, Aggregate):
                among = labels(state.classes, rows[space])
                for r, single in enumerate(singles):
                    assert among[r] != NOWHERE or np.array_equal(single[index], base[index]), what
                for (i, j), swap in swaps.items():
                    if among[i] == among[j] != NOWHERE:
                        assert np.array_equal(swap[index], base[index]), what
            elif isinstance(state, Rows):
                assert state.order is not None
                order = state.order.at(np.arange(state.order.length))
                behind = labels(state.background, rows[space])
                at = base[index].ndim - 1 - state.axis
                for r, single in enumerate(singles):
                    if behind[r] == NOWHERE:
                        keep = order != r
                        assert np.array_equal(
                            np.compress(keep, single[index], axis=at), np.compress(keep, base[index], axis=at)
                        ), what
    for index, value in facts.items():
        if not drawn.plan.maker(index).is_constant:
            check_even(drawn, data, value, base[index], index, members, numbering)


def check_even(
    drawn: Drawn,
    data: Data,
    value: Facts,
    base: Any,
    index: int,
    members: dict[str, set[str]],
    numbering: Numbering,
) -> None:
    for axis, part in value.even.items():
        at = base.ndim - 1 - axis
        which = labels(part, base.shape[at])
        assert NOWHERE not in which
        pairs = [(i, j) for i, j in combinations(range(base.shape[at]), 2) if which[i] == which[j]]
        for i, j in pairs[:4]:
            other = data
            for space, state in value.states.items():
                if isinstance(state, Rows) and state.axis == axis:
                    assert state.order is not None
                    a, b = (int(row) for row in state.order.at(np.array([i, j])))
                    assert (a == NOWHERE) == (b == NOWHERE)
                    if a != NOWHERE:
                        other = exchanged(other, members[space], a, b, numbering)
            places = np.arange(base.shape[at])
            places[[i, j]] = places[[j, i]]
            found = run(drawn, other)[index]
            assert np.array_equal(np.take(found, places, axis=at), base), f"operation {index}, axis {axis}: {i}, {j}"


def test_the_test_above_finds_something_to_check() -> None:
    """Random plans reach sums over rows, so that aggregates are really claimed."""
    found: list[RowState] = []

    @settings(max_examples=120, database=None, derandomize=True)
    @given(drawn_plans(datasets=1))
    def collect(drawn: Drawn) -> None:
        inputs = {handle: {dataset: Rows(0, drawn.rows[dataset])} for handle, (dataset, _) in drawn.columns.items()}
        for states in track(drawn.plan, inputs):
            found.extend(states.values())

    collect()
    assert sum(isinstance(state, Aggregate) and state.count > 1 for state in found) > 20
    assert any(isinstance(state, Rows) and state.background is not None for state in found)


@settings(max_examples=400)
@given(drawn_plans())
def test_what_is_cut_along_rows_is_single_rows_to_the_policy(drawn: Drawn) -> None:
    """Streaming splits a value along an axis only where row tracking says: each element is about the row at its place,
    and about aggregates; what streaming takes for free of rows is never row by row to row tracking."""
    _compare_with_streaming(drawn)


def _compare_with_streaming(drawn: Drawn) -> int:
    """How many values that operations give are along the rows."""
    most = max(drawn.rows[dataset] for dataset, _ in drawn.columns.values())
    long = {handle for handle, (dataset, _) in drawn.columns.items() if drawn.rows[dataset] == most}
    plan = drawn.plan
    # the operations up to the first that is refused
    while True:
        try:
            cut = Cut(plan, long & {handle for handle, _ in plan.inputs()}, most)
            break
        except NotRowwise as refused:
            plan = Plan(plan.operations[: int(str(refused).split()[1])], ())
    inputs = {handle: {dataset: Rows(0, drawn.rows[dataset])} for handle, (dataset, _) in drawn.columns.items()}
    facts, space_of = follow(plan, inputs)
    spaces = {space_of[drawn.columns[handle][0]] for handle in long & {handle for handle, _ in plan.inputs()}}
    compared = 0
    for index, value in facts.items():
        op = plan.maker(index)
        axis = cut.axis_of(index)
        compared += axis is not None and not op.is_leaf
        for state in [state for space, state in value.states.items() if space in spaces]:
            what = f"operation {index} ({op.operation.name}), {state}, along axis {axis}"
            if axis is None:
                assert not isinstance(state, Rows), what
            elif isinstance(state, Rows):
                assert state.order is not None
                order = state.order.at(np.arange(state.order.length))
                assert state.axis == axis and len(order) == most, what
                assert all(row in (NOWHERE, place) for place, row in enumerate(order)), what
            else:
                assert isinstance(state, Aggregate), what
        copied = cut.along.get(index)
        assert copied is None or isinstance(copied, Along)
        if copied is not None and copied.copied and not op.is_constant:
            # computed anew in each partition: nothing of it may lie along the rows
            assert not any(isinstance(value.states.get(space), Rows) for space in spaces)
    return compared


def test_the_comparison_with_streaming_finds_something_to_compare() -> None:
    compared: list[int] = []

    @settings(max_examples=60, database=None, derandomize=True)
    @given(drawn_plans())
    def collect(drawn: Drawn) -> None:
        compared.append(_compare_with_streaming(drawn))

    collect()
    assert sum(compared) > 100


# ---- plans that people write, and attacks ----

N = 24


class Table:
    """Columns of one or two datasets, and what the analysis says of a result."""

    def __init__(self) -> None:
        self.session = TrioSession()
        rng = np.random.default_rng(5)
        self.dataset: dict[bytes, str] = {}
        self.x, self.y, self.z = (self.column("d", rng.integers(0, 50, N)) for _ in range(3))
        self.other = self.column("e", rng.integers(0, 50, N))
        self.xp = self.x.__array_namespace__()

    def column(self, dataset: str, values: Any) -> Any:
        column = self.session.share(values, bounds=(0, 50))
        self.dataset[list(self.session.stored)[-1]] = dataset
        return column

    def states(self, value: Any, **options: bool) -> dict[str, RowState]:
        value.reveal()
        plan = self.session.plans[-1]
        inputs = {handle: {self.dataset[handle]: Rows(0, N)} for handle, _ in plan.inputs()}
        return track(plan, inputs, **options)[0]

    def state(self, value: Any, **options: bool) -> RowState:
        return self.states(value, **options)["d"]


FRIENDLY: dict[str, Any] = {
    "mean": lambda t: t.x.mean(),
    "variance": lambda t: t.xp.var(t.x),
    "variance in two passes": lambda t: ((t.x - t.x.mean()) ** 2).mean(),
    "masked sum": lambda t: t.xp.sum(t.xp.where(t.y > 20, t.x, 0)),
    "masked by bools": lambda t: (t.x * (t.y > 20)).sum(),
    "count": lambda t: t.xp.count_nonzero(t.x > 3),
    "histogram": lambda t: t.xp.sum(t.x[:, None] < np.arange(0, 50, 10), axis=0),
    "columns": lambda t: t.xp.mean(t.xp.stack([t.x, t.y], axis=1), axis=0),
    "products": lambda t: t.xp.matmul(t.xp.stack([t.x, t.y]), t.xp.stack([t.x, t.y], axis=1)),
    "correlation": lambda t: t.xp.sum((t.x - t.x.mean()) * (t.y - t.y.mean())),
    "coefficients": lambda t: LinearRegression().fit(t.xp.stack([t.x, t.y], axis=1), t.z).coef_,
    "mean prediction": lambda t: LinearRegression().fit(t.x[:, None], t.z).predict(t.x[:, None]).mean(),
    "reversed": lambda t: t.x[::-1].sum(),
    "permuted": lambda t: t.x[np.random.default_rng(1).permutation(N)].sum(),
    "broadcast": lambda t: t.xp.broadcast_to(t.x.sum(), (N,)).sum(),
    "median": lambda t: np.median(t.x),
    "quartiles": lambda t: np.quantile(t.x, [0.25, 0.75]),
    "quartiles of what is there": lambda t: np.quantile(NullableArray.of_values(t.x, t.y > 9), [0, 0.25, 0.5]),
    "bins of what is there": lambda t: np.histogram(NullableArray.of_values(t.x, t.y > 9), 25, (0, 50))[0],
    "groups of what is there": lambda t: t.xp.segment_sum(NullableArray.of_values(t.x, t.y > 9), t.x, 60),
    "equal bins": lambda t: np.histogram(t.x, 25, (0, 50))[0],
    "unequal bins": lambda t: np.histogram(t.x, [0, 1, 4, 9, 16, 25, 36, 50])[0],
    "pairs of bins": lambda t: np.histogram2d(t.x, t.y, 10, [[0, 50], [0, 40]])[0],
    "many pairs of bins": lambda t: np.histogram2d(t.x, t.y, 25, [[0, 50], [0, 50]])[0],
    "a mean of convolutions": lambda t: nn.conv1d(t.xp.stack([t.x, t.y], axis=1)[:, None], [[[1, 2]]], padding=1).mean(
        0
    ),
    "a mean of pools": lambda t: nn.max_pool1d(t.xp.stack([t.x, t.y], axis=1)[:, None], 2).mean(axis=0),
    "counts of values": lambda t: np.bincount(t.x, weights=t.y),
    "most frequent value": lambda t: stats.mode(t.x).mode,
    "sums of secret groups": lambda t: t.xp.segment_sum(t.x, t.y, 60),
    "mean of a secret group": lambda t: t.xp.segment_mean(t.x, t.y, 60),
    "sizes of secret groups": lambda t: t.xp.segment_count(t.y, 60),
    "places among edges": lambda t: np.digitize(t.x, [10, 20]).sum(),
    "elements below": lambda t: np.searchsorted(t.x, [10, 20]),
    "sum of squared ranks": lambda t: (stats.rankdata(t.x) ** 2).sum(),
    "ranks beside another column": lambda t: (stats.rankdata(t.x) * t.y).sum(),
    "ranks of one group": lambda t: t.xp.where(t.y > 20, stats.rankdata(t.x), 0).sum(),
    "products of ranks": lambda t: t.xp.matmul(stats.rankdata(t.xp.stack([t.x, t.y]), axis=1), t.z[:, None]),
    "ranks of what is there": lambda t: stats.rankdata(NullableArray.of_values(t.x, t.y > 9)).fillna(0).sum(),
    "looked up": lambda t: t.xp.lookup(np.arange(51) ** 2, t.x).sum(),
    "means of secret groups beside each row": lambda t: ((t.x - Grouped(t.y).transform(t.x, "mean")) * t.z).sum(),
    "counts of secret groups": lambda t: (Grouped([t.y, t.z]).transform(t.x, "count") > 1).sum(),
    "extremes of secret groups": lambda t: t.xp.stack(
        [Grouped(t.y).transform(t.x, how).sum() for how in ("min", "max", "sum")]
    ),
    "ranks in secret groups": lambda t: (Grouped(t.y).rank(t.x) * t.z).sum(),
    "running sums by time": lambda t: (Grouped(t.y, order=t.z).cumsum(t.x) > 60).sum(),
    "earlier rows": lambda t: (Grouped(t.y, order=t.z).cumcount() * t.x).sum(),
    "windows": lambda t: (t.x * (Grouped(t.y, order=t.z).rolling_count(9) > 2)).sum(),
    "means of windows": lambda t: Grouped(t.y, order=t.z).rolling_mean(t.x, 9).mean(),
    "a regression on values of groups": lambda t: (
        LinearRegression()
        .fit(t.xp.stack([Grouped(t.y).transform(t.x, "sum"), Grouped(t.y, order=t.z).rolling_count(5)], axis=1), t.z)
        .coef_
    ),
    "windows of one dataset's times beside another's": lambda t: Grouped(t.y, order=t.other).rolling_sum(t.x, 9).sum(),
}


@pytest.mark.parametrize("name", FRIENDLY)
def test_statistics_are_aggregates_over_all_rows(name: str) -> None:
    t = Table()
    state = t.state(FRIENDLY[name](t))
    assert isinstance(state, Aggregate) and state.count == N


PARTS: dict[str, tuple[Any, int]] = {
    "slice": (lambda t: t.x[:10].sum(), 10),
    "stride": (lambda t: t.x[::3].sum(), 8),
    "public mask": (lambda t: (t.x * (np.arange(N) < 15)).sum(), 15),
    "public bool mask": (lambda t: t.xp.count_nonzero((t.x > 3) & (np.arange(N) < 15)), 15),
    "public indices": (lambda t: t.x[np.arange(N) % 4 == 1].sum(), 6),
    "two weights": (lambda t: (t.x * np.where(np.arange(N) < 4, 1000, 1)).sum(), 4),
    "groups": (lambda t: t.xp.matmul((np.arange(N) % 3 == np.arange(3)[:, None]).astype(int), t.x[:, None]), 8),
    "difference of sums": (lambda t: t.x.sum() - t.x[5:].sum(), 5),
    "groups among some rows": (lambda t: Grouped(t.y[:15]).transform(t.x[:15], "sum").sum(), 15),
    "some rows among all groups": (lambda t: Grouped(t.y).transform(t.x, "sum")[:6].sum(), 6),
    "marked rows among groups": (lambda t: (Grouped(t.y).transform(t.x * (np.arange(N) < 4), "sum") * t.z).sum(), 4),
    "two parts one behind the other": (
        lambda t: Grouped(t.xp.concat([t.y[:9], t.y[9:]])).transform(t.x, "count").sum(),
        9,
    ),
    "sum of parts": (lambda t: t.x[:3].sum() + t.x[3:].sum(), 3),
}


@pytest.mark.parametrize("name", PARTS)
def test_public_selections_lower_the_count(name: str) -> None:
    t = Table()
    state = t.state(PARTS[name][0](t))
    assert isinstance(state, Aggregate) and state.count == PARTS[name][1]


ATTACKS: dict[str, Any] = {
    "one row": lambda t: t.x[7],
    "one row in a slice": lambda t: t.x[7:8].sum(),
    "all rows": lambda t: t.x + 1,
    "one row with a large weight": lambda t: (t.x * np.where(np.arange(N) == 7, 1 << 20, 1)).sum(),
    "a selecting matrix": lambda t: t.xp.matmul(np.eye(N, dtype=int)[:2], t.x[:, None]),
    "different weights": lambda t: (t.x * np.arange(1, N + 1)).sum(),
    "all but one row": lambda t: t.x.sum() - t.x[1:].sum(),
    "mean less partial mean": lambda t: t.x.mean() - t.x[:-1].mean(),
    "a public index compared": lambda t: (t.x * ((t.y * 0 + np.arange(N)) == 7)).sum(),
    "an index from nothing": lambda t: (t.x * ((t.y - t.y + np.arange(N)) == 7)).sum(),
    "an index of another dataset": lambda t: (t.x * ((t.other * 0 + np.arange(N)) == 7)).sum(),
    "an index of an aggregate": lambda t: (t.x * ((t.xp.broadcast_to(t.y.sum() * 0, (N,)) + np.arange(N)) == 7)).sum(),
    "a cumulative sum": lambda t: t.xp.cumulative_sum(t.x, axis=0)[-1],
    "sum of a cumulative sum": lambda t: t.xp.cumulative_sum(t.x, axis=0).sum(),
    "an index by cumulative sum": lambda t: (t.x * (t.xp.cumulative_sum(t.x * 0 + 1, axis=0) == 7)).sum(),
    "a convolution along rows": lambda t: np.convolve(t.x, t.y)[N // 2],
    "a pool along rows": lambda t: nn.avg_pool1d(t.x[None], 3),
    "pairs": lambda t: t.x.reshape((N // 2, 2)).sum(axis=1),
    "differences": lambda t: t.x[1:] - t.x[:-1],
    "moved against itself": lambda t: (t.x[1:] * t.x[:-1]).sum(),
    "the same row many times": lambda t: t.xp.broadcast_to(t.x[:1], (N,)).sum(),
    "the same rows taken": lambda t: t.x[np.zeros(N, dtype=int)].sum(),
    "rows twice": lambda t: t.xp.concat([t.x, t.x[:1]]).sum(),
    "maximum": lambda t: t.xp.max(t.x),
    "minimum": lambda t: t.xp.min(t.x),
    "position of the maximum": lambda t: t.xp.argmax(t.x),
    "least quantile": lambda t: np.quantile(t.x, 0),
    "greatest percentile": lambda t: np.percentile(t.x / -3, 100),
    "a quantile beside the least": lambda t: np.quantile(t.x, 0.01),
    "all quantiles": lambda t: np.quantile(t.x, np.linspace(0, 1, N)),
    "a sorted element": lambda t: t.xp.sort(t.x)[N // 2],
    "sum of some sorted elements": lambda t: t.xp.sort(t.x)[3:].sum(),
    "sum of places": lambda t: (t.xp.argsort(t.x) * np.arange(N)).sum(),
    "the second greatest, too": lambda t: t.xp.top_k(t.x, 2).values.sum(),
    "the greatest of two": lambda t: t.xp.top_k(t.x, 2).values[:1],
    "the second least": lambda t: t.xp.top_k(t.x * (1 << 20), 2, largest=False).values[1:],
    "the greatest bools": lambda t: t.xp.top_k(t.x > 3, 2).values,
    "where the greatest stand": lambda t: t.xp.top_k(t.x, 3).indices,
    "a rank": lambda t: stats.rankdata(t.x, "min")[7],
    "an average rank": lambda t: stats.rankdata(t.x)[7],
    "ranks, with different weights": lambda t: (stats.rankdata(t.x) * np.arange(N)).sum(),
    "ranks of one marked row": lambda t: (stats.rankdata(t.x * (np.arange(N) == 7)) * t.y).sum(),
    "ranks of a public index": lambda t: (t.x * (stats.rankdata(t.x * 0 + np.arange(N)) == 7)).sum(),
    "ranks of pairs": lambda t: stats.rankdata(t.x.reshape((N // 2, 2)), axis=1).sum(),
    "ranks of running sums": lambda t: stats.rankdata(t.xp.cumulative_sum(t.x, axis=0)).sum(),
    "sum of ranks": lambda t: (stats.rankdata(t.x, "max") * np.arange(N)).sum(),
    "a group's sum at one row": lambda t: Grouped(t.y).transform(t.x, "sum")[7],
    "group sums at all rows": lambda t: Grouped(t.y).transform(t.x, "sum"),
    "groups of a public index": lambda t: (t.x * (Grouped(t.y * 0 + np.arange(N)).transform(t.x, "sum") > 3)).sum(),
    "a group that one row marks": lambda t: (Grouped(t.y * (np.arange(N) == 7)).transform(t.x, "sum") * t.z).sum(),
    "one marked row in its group": lambda t: (Grouped(t.y).transform(t.x * (np.arange(N) == 7), "max") * t.z).sum(),
    "groups with different weights": lambda t: (Grouped(t.y).transform(t.x, "sum") * np.arange(N)).sum(),
    "an order of a public index": lambda t: (Grouped(t.y, order=t.x * 0 + np.arange(N)).cumsum(t.x) * t.z).sum(),
    "windows of a public index": lambda t: (
        Grouped(t.y * 0, order=t.y * 0 + np.arange(N)).rolling_sum(t.x, 1)[3:4].sum()
    ),
    "a count as an index": lambda t: (t.x * (Grouped(t.y * 0).cumcount() == 7)).sum(),
    "a count as an index, by a time that is alike": lambda t: (
        t.x * (Grouped(t.y * 0, order=t.y * 0, ties="first").cumcount() == 7)
    ).sum(),
    "running sums as rows stand": lambda t: Grouped(t.y).cumsum(t.x).sum(),
    "running sums of ties as they stand": lambda t: Grouped(t.y, order=t.z, ties="first").cumsum(t.x).sum(),
    "windows of ties as they stand": lambda t: Grouped(t.y, order=t.z, ties="first").rolling_count(9).sum(),
    "the row before": lambda t: Grouped(t.y, order=t.z).shift(t.x).fillna(0).sum(),
    "running extremes": lambda t: Grouped(t.y, order=t.z).cummax(t.x).sum(),
    "the first of a group": lambda t: Grouped(t.y, order=t.z).transform(t.x, "first").sum(),
    "ordinal ranks in groups": lambda t: (t.x * (Grouped(t.y * 0).rank(t.y * 0, "ordinal") == 7)).sum(),
    "groups of pairs": lambda t: Grouped(t.y[: N // 2]).transform(t.x[N // 2 :], "sum").sum(),
    "groups of sorted rows": lambda t: Grouped(t.xp.sort(t.y)).transform(t.x, "sum").sum(),
    "groups of another dataset, moved": lambda t: Grouped(t.other[:-1]).transform(t.x[1:], "sum").sum(),
    "distinct values": lambda t: t.xp.unique_values(t.x, size=5).values,
    "counts of distinct values": lambda t: t.xp.unique_counts(t.x, size=5).counts,
    "number of distinct values": lambda t: t.xp.unique_counts(t.x, size=5).number,
    "most frequent of many": lambda t: stats.mode(t.x * 1000).count,
    "a group's greatest": lambda t: t.xp.segment_max(t.x, t.y // 20, 3),
    "the least of many groups": lambda t: t.xp.segment_min(t.x, t.y, 51),
    "a rank in a group": lambda t: t.xp.segment_rank(t.x, t.y)[3],
    "sums of groups of a public index": lambda t: t.xp.segment_sum(t.x, t.y * 0 + np.arange(N), N),
    "compacted rows": lambda t: t.xp.compact(t.y > 20, t.x)[0][:3].sum(),
    "partition": lambda t: np.partition(t.x, 3)[3],
    "running maximum": lambda t: np.maximum.accumulate(t.x)[-1],
    "running product": lambda t: np.cumulative_prod(t.x > 3)[-1],
    "places among rows": lambda t: np.searchsorted(t.x, t.x).sum(),
    "one value of a list": lambda t: np.isin(np.arange(50), t.x),
    "counts by a public index": lambda t: np.bincount(t.x * 0 + np.arange(N), weights=t.y),
    "bins of a public index": lambda t: np.histogram(t.x * 0 + np.arange(N), bins=N, range=(0, N), weights=t.y)[0],
    "counts with public weights": lambda t: np.bincount(t.x, weights=np.arange(N) == 7),
    "median of one marked row": lambda t: np.quantile(t.x * (np.arange(N) == 7), 0.99),
    "median of what is there in one marked row": lambda t: np.median(
        NullableArray.of_values(t.x, t.y * 0 + (np.arange(N) == 7) > 0)
    ),
    "a row at a secret place": lambda t: t.xp.take(t.x, t.xp.clip(t.y.sum() * 0 + 7, 0, N - 1)[None], axis=0),
    "any": lambda t: t.xp.any(t.x > 49),
    "outer product": lambda t: t.x[:, None] * t.y[None, :],
    "a row beside a sum": lambda t: t.xp.stack([t.x.sum(), t.x[3]]),
    "selected by a public array": lambda t: (
        t.xp.where(t.y >= 0, np.where(np.arange(N) == 7, 1, 0), 0).sum() * t.x.sum()
        + (t.xp.where(t.y >= 0, np.where(np.arange(N) == 7, 1, 0), 0) * t.x).sum()
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_single_rows(name: str) -> None:
    t = Table()
    state = t.state(ATTACKS[name](t))
    assert not isinstance(state, Aggregate) or state.count == 1, state


@pytest.mark.parametrize("shared", [True, False])
def test_blocks_of_a_wide_sum_are_classes_of_their_own(shared: bool) -> None:
    """What is added up in blocks is an aggregate over each of them; sums of longer and of shorter blocks nest."""
    session = TrioSession()
    n = 9000
    x, y = (session.share(np.arange(n), bounds=(0, top)) for top in (1 << 25, 1 << 26))
    wanted = [(x * x).sum(), (x * y).sum()] if shared else [(x * x).sum()]
    plan = compile_plan([Wanted(value.node, OutputKind.REVEAL) for value in wanted], LAN)
    assert all(op.attrs.wide for op in plan.operations if op.operation.name == "contract")
    found = track(plan, {handle: {"a": Rows(0, n)} for handle, _ in plan.inputs()})
    states = [of["a"] for of in found]
    assert [state.count for state in states] == [2048, 1024][: len(states)]
    if shared:
        first, second = (state.classes for state in states if isinstance(state, Aggregate))
        assert first is not None and second is not None and first.refine(second).least == 1024


def test_two_datasets_are_followed_each() -> None:
    t = Table()
    both = t.states((t.x * t.other).sum())
    assert both == {name: Aggregate(N, Partition.whole(N)) for name in ("d", "e")}
    apart = t.states((t.x[:5] * t.other[3:8]).sum())
    assert all(isinstance(state, Spread) for state in apart.values())
    stacked = t.states(t.xp.concat([t.x, t.other[:6]]).sum())
    assert [stacked["d"].count, stacked["e"].count] == [N, 6]
    outer = t.states((t.x[:, None] * t.other[None, :]).sum(axis=0))
    assert isinstance(outer["d"], Aggregate) and isinstance(outer["e"], Rows)


def test_rows_of_ones_own_beside_rows_of_others() -> None:
    """What the analyst's own rows get from groups of all rows rests on all rows of others: as sums of what a literal
    selects. What one of the others' rows gets from theirs is about that row."""
    t = Table()
    mine = t.column("mine", np.arange(6) % 3)
    keys, values = t.xp.concat([t.y, mine]), t.xp.concat([t.x, mine])

    def behind(value: Any) -> RowState:
        value.reveal()
        plan = t.session.plans[-1]
        names = {handle: t.dataset[handle] for handle, _ in plan.inputs()}
        found = track(plan, {handle: {} if name == "mine" else {name: Rows(0, N)} for handle, name in names.items()})
        return found[0]["d"]

    sums = Grouped(keys).transform(values, "sum")
    state = behind(sums[N:])
    assert isinstance(state, Aggregate) and state.count == N
    assert isinstance(behind(sums[:N]), Rows)
    state = behind((sums[:N] * (t.z > 20)).sum())
    assert isinstance(state, Aggregate) and state.count == N
    assert behind(sums[N - 1 :]) == Spread(1) or isinstance(behind(sums[N - 1 :]), Rows)
    compared = Grouped(keys, order=values).rolling_count(5)[N:]
    assert behind(compared) == behind(sums[N:])
    beside = Grouped(t.y[:6]).transform(t.x[:6] * mine, "sum")
    state = behind(beside.sum())
    assert not isinstance(state, Aggregate) or state.count == 1


def test_weights_may_be_allowed_by_name() -> None:
    t = Table()
    weighed = t.x * np.arange(N)
    assert t.state(weighed.sum()).count == 1
    assert t.state(weighed.sum(), weights_allowed=True) == Aggregate(
        N - 1, Partition(np.array([0, 1, N]), np.array([-1, 0]))
    )
    shifted = t.x + np.arange(N)
    assert t.state(shifted.sum(), weights_allowed=True).count == 1


def test_what_would_take_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public arrays, scattered rows and loops that are gone over again and again all count."""
    t = Table()
    masked = t.x[np.random.default_rng(1).permutation(N)]
    value = loop(3, lambda v: masked * (np.arange(N) % 2) + t.x * 0 + v - v, t.x, bounds=(-50, 200))
    value.reveal()
    plan = t.session.plans[-1]
    inputs = {handle: {"d": Rows(0, N)} for handle, _ in plan.inputs()}
    assert track(plan, inputs)
    looked_at = sum(64 for _ in plan.listed)
    monkeypatch.setattr(rows, "MAX_WORK", looked_at + N)
    with pytest.raises(PlanError, match="too large for its rows"):
        track(plan, inputs)


def test_what_a_loop_loses_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each carried value, a loop that carries thousands held up a node for minutes."""
    carried, t = 40, bool_type((6,))
    takes = [stored_input(operand_handle(k), t) for k in range(carried + 1)]
    # each takes the next one's place, so that another dataset comes one further in every pass
    gives = [PlanOutput(OutputKind.PERSIST, k + 1, operand_handle(k)) for k in range(carried)]
    body = Plan(tuple(takes), tuple(gives))
    made = PlanOperation(
        BY_NAME["loop"], (0,) * carried + (1,), LoopCount(3, carried), t, body.to_bytes(), body, 0, (t,) * (carried - 1)
    )
    one, other = b"a" * 16, b"b" * 16
    plan = Plan((stored_input(one, t), stored_input(other, t), made), (PlanOutput(OutputKind.REVEAL, 2),))
    plan = Plan.from_bytes(plan.to_bytes())
    looked: list[int] = []

    def lost(shape: tuple[int, ...], operands: Iterable[Facts]) -> Facts:
        given = list(operands)
        looked.append(len(given))
        return facts.lost(shape, given)

    monkeypatch.setattr(rows, "lost", lost)
    assert track(plan, {one: {"d": Rows(0, 6)}, other: {"e": Rows(0, 6)}}) == [{"d": Spread(6), "e": Spread(6)}]
    assert 0 < sum(looked) < 4 * carried


def test_an_array_has_one_shape() -> None:
    flags = [stored_input(b"h" * 16, bool_type(shape)) for shape in ((6,), (1, 6))]
    plan = Plan(tuple(flags), (PlanOutput(OutputKind.REVEAL, 0),))
    with pytest.raises(PlanError, match="two shapes"):
        track(plan, {b"h" * 16: {"d": Rows(0, 6)}})


def test_kept_results_go_on_as_they_were() -> None:
    t = Table()
    t.x[:10].sum().reveal()
    plan = t.session.plans[-1]
    (handle,) = (handle for handle, _ in plan.inputs())
    whole = track(plan, {handle: {"d": Rows(0, N, RowOrder.natural(N), background=Partition.whole(N))}})
    assert whole[0] == {"d": Aggregate(10, Partition(np.array([0, 10, N]), np.array([0, 1])))}
    uneven = track(plan, {handle: {"d": Rows(0, N, alike=False)}})
    assert isinstance(uneven[0]["d"], Spread)


def test_aggregates_of_unknown_rows_do_not_mix() -> None:
    t = Table()
    kept, more = t.column("d", np.arange(N)), t.column("d", np.arange(N))
    (kept + kept).reveal()
    plan = t.session.plans[-1]
    (handle,) = (handle for handle, _ in plan.inputs())
    same = Aggregate(20)
    assert track(plan, {handle: {"d": same}})[0] == {"d": Aggregate(20)}
    (kept + more).reveal()
    plan = t.session.plans[-1]
    mixed = track(plan, {handle: {"d": same} for handle, _ in plan.inputs()})
    assert isinstance(mixed[0]["d"], Spread)


states = st.one_of(
    st.builds(Spread, st.integers(0, 1 << 40)),
    st.builds(Aggregate, st.integers(0, 9), st.none() | st.just(Partition.whole(9))),
    st.builds(
        lambda places, alike, cut: Rows(
            1,
            len(places),
            RowOrder.of_rows(np.array(places)),
            alike,
            Partition(np.array([0, cut, 9]), np.array([0, 1])),
            Partition.whole(cut),
        ),
        st.permutations(range(9)),
        st.booleans(),
        st.integers(1, 8),
    ),
)


@given(states)
def test_states_are_written_and_read(state: RowState) -> None:
    written = json.loads(json.dumps(state_to_json(state)))
    assert state_from_json(written) == state


def test_scattered_rows_are_not_written() -> None:
    scattered = Partition.of_labels(np.arange(20_000) % 2)
    assert state_from_json(state_to_json(Aggregate(7, scattered))) == Aggregate(7)
    assert state_from_json(state_to_json(Rows(0, 20_000, classes=scattered))) == Spread(20_000)


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"state": "spread"},
        {"state": "spread", "count": -1},
        {"state": "spread", "count": 1, "axis": 0},
        {"state": "aggregate", "count": True},
        {"state": "aggregate", "count": 3, "classes": [[0, 3], [0, 1]]},
        {"state": "aggregate", "count": 3, "classes": [[3, 0], [0]]},
        {"state": "rows", "axis": 0, "count": 2, "alike": True, "order": [[0, 1, 2], [5, 5], [1, 1]]},
        {"state": "rows", "axis": 0, "count": 2, "alike": 1},
        {"state": "sum", "count": 2},
    ],
)
def test_what_is_no_state_is_refused(data: Any) -> None:
    with pytest.raises(IntegrityError):
        state_from_json(data)


def test_what_is_multiplied_by_zeros_or_less_itself_depends_on_nothing() -> None:
    """Public values that are written as secret ones hide no row, and take none away: a left join fills in with them."""
    import tercet as tc
    from tercet.array import creation, manipulation
    from tercet.plan.network import LAN
    from tercet.plan.plan import OutputKind
    from tercet.plan.record.compile import Wanted, compile_plan
    from tercet.plan.rows.track import track

    with tc.local() as net:
        x = net.share(np.arange(41), bounds=(0, 50))
        places = np.append(np.arange(35), [41] * 5)
        there = creation.full_like(x, True, dtype="bool")
        taken = [
            manipulation.take(manipulation.concat([one, np.asarray([end])]), places, axis=0)
            for one, end in ((x, 0), (there, False))
        ]
        total = (taken[0] * taken[1]).sum()
        plan = compile_plan([Wanted(total.node, OutputKind.REVEAL), Wanted(there.sum().node, OutputKind.REVEAL)], LAN)
        inputs = {op.data: {"d": Rows(0, 41)} for op in plan.operations if op.operation.name == "input"}
        found = track(plan, inputs)
    assert isinstance(found[0]["d"], Aggregate) and found[0]["d"].count == 35
    assert found[1] == {}
