"""Streamed runs give what whole runs give; what does not go along rows is refused with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import plan_oracle as oracle
import tercet as tc
from plan_trio import TrioSession, array_of, share_plain
from random_plans import Drawn, drawn_plans
from tercet import nn
from tercet.engine.job import JobResult
from tercet.errors import PlanError
from tercet.linear_model import LinearRegression
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.scale import settle
from tercet.plan.record.windows import convolve
from tercet.plan.rows.cut import Refusal
from tercet.plan.run.execute import execute
from tercet.plan.run.passes import Passes, Streamed, partitions, split
from tercet.plan.run.streaming import Gather, LaneRun, RowsOutput, execute_streamed
from tercet.plan.table.attributes import Contraction, StatedBounds
from tercet.plan.table.reasons import DERIVED
from tercet.plan.types import Type, ValueKind, bool_type
from tercet.protocols import matrix
from tercet.ring import ConvolutionArray, pack_bits, ring, unpack_bits
from tercet.sharing import PARTIES, BitShare, Party, Share
from three_parties import TIMEOUT_S, at_three, opened
from trio import Trio

N = 41


class Stored:
    """Arrays as three parties hold them, handed out by rows; `asked` notes what was asked for."""

    def __init__(self, trio: Trio, plan: Plan, values: dict[bytes, Any]) -> None:
        self.types = dict(plan.inputs())
        self.shares = {handle: share_plain(trio, values[handle], type) for handle, type in self.types.items()}
        self.asked: list[tuple[bytes, int | None, int | None]] = []

    def at(self, party: Party) -> dict[bytes, Any]:
        return {handle: shares[party] for handle, shares in self.shares.items()}

    def of(self, party: Party) -> Rows:
        return Rows(self, party)


class Rows:
    """What one party is asked for: rows, and sums over all rows."""

    def __init__(self, stored: Stored, party: Party) -> None:
        self._shares = {handle: shares[party] for handle, shares in stored.shares.items()}
        self._types = stored.types
        self._asked = stored.asked if party is PARTIES[0] else []

    def load(self, handle: bytes, start: int | None, stop: int | None) -> Share | BitShare:
        self._asked.append((handle, start, stop))
        share, type = self._shares[handle], self._types[handle]
        if start is None:
            return share
        if isinstance(share, Share):
            return share[start:stop]
        parts = [unpack_bits(part, type.size).reshape(type.shape)[start:stop] for part in (share.own, share.next)]
        own, following = (pack_bits(np.ascontiguousarray(part).reshape(-1)) for part in parts)
        return BitShare(parts[0].size, own, following)

    def add_up(self, handles: Iterable[bytes]) -> dict[bytes, Share]:
        found: dict[bytes, Share] = {}
        for handle in handles:
            self._asked.append((handle, None, 0))
            share = self._shares[handle]
            assert isinstance(share, Share)
            found[handle] = Share(share.ring, share.ring.sum(share.own), share.ring.sum(share.next))
        return found


def streamed_run(
    trio: Trio, plan: Plan, stored: Stored, found: Streamed, partition_rows: int, **options: Any
) -> dict[Party, JobResult]:
    return at_three(
        trio,
        lambda party, streams, channel: execute_streamed(
            Passes(found, partition_rows),
            party,
            streams,
            channel,
            stored.of(party),
            timeout=TIMEOUT_S,
            **(options if party is PARTIES[0] else {}),
        ),
    )


def partition_of(found: Streamed, start: int, stop: int) -> Plan:
    """The plan of the first pass for these rows."""
    return found.pieces.partition(1, start, stop).plan


def tail_of(found: Streamed) -> Plan:
    """What runs once after the last pass."""
    piece = found.once[-1]
    assert piece is not None
    return piece.plan


def types_of(plan: Plan) -> list[Any]:
    return [plan.type_of(output.value) for output in plan.outputs]


@settings(max_examples=120)
@given(drawn_plans(operations=7, datasets=2), st.data())
def test_random_plans_give_the_same(drawn: Drawn, data: Any) -> None:
    """Whatever is not refused gives the plan's exact meaning, in partitions of any size."""
    chosen = data.draw(st.lists(st.sampled_from(drawn.values), min_size=1, max_size=3))
    plan = compile_plan([Wanted(value, OutputKind.REVEAL) for value in chosen], LAN)
    rows_of = {handle: drawn.rows[drawn.columns[handle][0]] for handle, _ in plan.inputs()}
    found = split(plan, rows_of)
    assume(isinstance(found, Streamed))
    assert isinstance(found, Streamed)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    values = {
        handle: rng.integers(0 if type.is_bool else -3, 2 if type.is_bool else 4, type.shape)
        for handle, type in plan.inputs()
    }
    plain = {handle: oracle.plain(values[handle], type) for handle, type in plan.inputs()}
    try:
        expected = oracle.evaluate(plan, plain)
    except PlanError:
        assume(False)
    trio = Trio()
    stored = Stored(trio, plan, plain)
    size = data.draw(st.integers(1, 7))
    results = opened(streamed_run(trio, plan, stored, found, size), types_of(plan))
    for result, wanted in zip(results, expected, strict=True):
        assert np.array_equal(result, wanted)


class Table:
    """Columns of one dataset, and a small stored array beside them."""

    def __init__(self, rows: int = N) -> None:
        self.session = TrioSession()
        rng = np.random.default_rng(7)
        self.x, self.y, self.z = (self.session.share(rng.integers(0, 50, rows), bounds=(0, 50)) for _ in range(3))
        self.f = self.session.share(rng.normal(size=rows), bounds=(-8, 8))
        self.b = self.session.share(rng.integers(0, 2, rows).astype(bool))
        self.small = self.session.share(np.array([2, 3]), bounds=(0, 9))
        self.rows_of = {handle: rows for handle in list(self.session.stored)[:-1]}
        self.xp = self.x.__array_namespace__()
        self.rows = rows

    @property
    def table(self) -> Any:
        return self.xp.stack([self.x, self.y], axis=1)

    def plan(self, *values: Any, kind: OutputKind = OutputKind.REVEAL) -> Plan:
        handle = b"" if kind is OutputKind.REVEAL else b"k" * 16
        return compile_plan([Wanted(value.node, kind, handle) for value in values], LAN)

    def split(self, *values: Any) -> Streamed | Refusal:
        return split(self.plan(*values), self.rows_of)

    def check(self, *values: Any, rows: int = 10, slack: int = 0, passes: int = 1) -> dict[Party, JobResult]:
        """The streamed run against the meaning of the plan, up to so many last bits."""
        found = self.split(*values)
        assert isinstance(found, Streamed), found
        assert found.passes == passes
        plan = found.plan
        stored = Stored(Trio(1), plan, self.session.stored)
        outcomes = streamed_run(Trio(2), plan, stored, found, rows)
        expected = oracle.evaluate(plan, self.session.stored)
        for result, wanted in zip(opened(outcomes, types_of(plan)), expected, strict=True):
            if result.dtype == bool or not slack:
                assert np.array_equal(result, wanted)
            else:
                assert np.max(np.abs(result - wanted)) <= slack
        asked = {handle for handle, _, stop in stored.asked if stop is not None}
        assert asked == {handle for handle, _ in plan.inputs() if handle in self.rows_of}
        return outcomes


PLANS: dict[str, Any] = {
    "sum": lambda t: [t.x.sum()],
    "sum of fixed": lambda t: [t.f.sum()],
    "mean of columns": lambda t: [t.xp.mean(t.table, axis=0)],
    "variance": lambda t: [t.xp.var(t.table, axis=0)],
    "products": lambda t: [t.xp.matmul(t.xp.matrix_transpose(t.table), t.table)],
    "products with a column": lambda t: [t.xp.matmul(t.xp.matrix_transpose(t.table), t.y)],
    "histogram": lambda t: [t.xp.sum(t.x[:, None] < np.arange(0, 50, 10), axis=0)],
    "equal bins": lambda t: [np.histogram(t.x, 10, (0, 50))[0]],
    "unequal bins": lambda t: [np.histogram(t.x, [0, 3, 4, 20, 30])[0]],
    "pairs of bins": lambda t: [np.histogram2d(t.x, t.y, [5, 3], [[0, 50], [0, 40]])[0]],
    "counts": lambda t: [np.bincount(t.x)],
    "masked sum": lambda t: [t.xp.sum(t.xp.where(t.y > 20, t.x, 0))],
    "masked by a column": lambda t: [(t.x * t.b).sum(), t.b.sum()],
    "public mask": lambda t: [(t.x * (np.arange(t.rows) % 3 == 0)).sum()],
    "public bools": lambda t: [t.xp.count_nonzero(t.b & (np.arange(t.rows) % 2 == 0))],
    "public weights": lambda t: [t.xp.matmul(np.arange(2 * t.rows).reshape(2, t.rows), t.table)],
    "public coefficients": lambda t: [t.xp.matmul(t.table, np.array([2, 3])).sum()],
    "windows of rows": lambda t: [nn.max_pool1d(t.table[:, None], 2, 1, padding=1), nn.avg_pool1d(t.table, 2).sum()],
    "convolutions of rows": lambda t: [nn.conv1d(t.table[:, None], t.small[None, None]).sum(axis=0)],
    "public kernels": lambda t: [nn.conv1d(t.table[:, None], np.array([[[2, 3]]])).sum()],
    "kernels by rows": lambda t: [_by_kernel(t)],
    "stored coefficients": lambda t: [t.xp.matmul(t.table, t.small).sum()],
    "everything at once": lambda t: [t.x.sum(), t.x.mean(), t.xp.var(t.y), t.xp.count_nonzero(t.z > 3), t.small.sum()],
    "rows revealed": lambda t: [t.x * t.y, t.x > t.y, t.table * 2],
    "bools of several columns": lambda t: [t.xp.stack([t.b, t.x > 3, t.y > 9], axis=1)],
    "rows last": lambda t: [t.xp.matrix_transpose(t.table) + 1],
    "free from the start": lambda t: [(t.x * (t.small * t.small).sum()).sum()],
    "where logarithms mean something": lambda t: _validity(t),
    "a loop behind the sums": lambda t: [_looped(t)],
}


def _by_kernel(t: Table) -> Any:
    """Sums over rows and places of an input and what comes of it, as the derivative by the kernel is."""
    images, found = (t.xp.stack([a, b], axis=1)[:, None] for a, b in ((t.x, t.y), (t.y, t.z)))
    geometry = (1,), (1,), (0,), (1,)
    return array_of(t.session, convolve(images.node, found.node, ConvolutionArray.KERNEL, geometry, 1, (2,)))


def _validity(t: Table) -> list[Any]:
    y = tc.log(t.x - 25) + 1 / t.z
    return [tc.valid(y), tc.valid(y.sum()), tc.masked_invalid(y).count(), tc.valid(y).sum()]


def _looped(t: Table) -> Any:
    from tercet.array import loop

    return loop(3, lambda v: v + t.y.sum() * t.y.sum(), t.x.sum(), bounds=(0, 1 << 40))


SUMS_ALONE = {"sum", "sum of fixed", "a loop behind the sums"}
"""Whoever stores the columns adds them up: no row is gone through."""


@pytest.mark.parametrize("name", PLANS)
def test_statistics_stream(name: str) -> None:
    t = Table()
    t.check(*PLANS[name](t), passes=0 if name in SUMS_ALONE else 1)


@pytest.mark.parametrize("largest", [True, False])
def test_what_is_found_bit_by_bit_takes_passes(largest: bool) -> None:
    """Four bits of a value, or of a place, in each, as there are few."""
    t = Table()
    t.check(np.median(t.x), np.quantile(t.x, [0.1, 0.9]), passes=2)
    top = t.xp.top_k(t.x, 3, largest=largest)
    t.check(top.values, passes=2)
    t.check(top.values, top.indices, passes=3)


def test_sums_of_stored_columns_are_asked_for_as_such() -> None:
    """Also beside what goes through rows, and as an operand there; reports name them."""
    t = Table()
    total = t.x.sum()
    found = t.split(total, (t.y * total).sum())
    assert isinstance(found, Streamed) and found.passes == 1
    stored = Stored(Trio(1), found.plan, t.session.stored)
    outcomes = streamed_run(Trio(2), found.plan, stored, found, 10)
    x, y = (handle for handle, _ in found.plan.inputs())
    assert [asked for asked in stored.asked if asked[0] == x] == [(x, None, 0)]
    assert [asked[1:] for asked in stored.asked if asked[0] == y] == [(0, 8), (8, 16), (16, 24), (24, 32), (32, 41)]
    (place,) = found.pieces.cut.stored_sums
    assert [report.name for report in outcomes[PARTIES[0]].operations if report.index == place] == ["sum"]
    assert opened(outcomes, types_of(found.plan))[0] == t.session.stored[x].sum()
    passes = Passes(found, 10)
    assert len(passes.names) == sum(stage.turns * stage.numbers for stage in passes.stages)


def test_one_column_is_added_up_once() -> None:
    """However often, and in whatever rings, a plan wants its sum."""
    t = Table()
    wide = t.session.share(np.arange(N), bounds=(0, 1 << 60))
    t.rows_of |= {list(t.session.stored)[-1]: N}
    sums = [t.x.sum() * (k + 1) for k in range(5)]
    plan = t.plan(*sums, t.x.sum() * t.x.sum(), wide.sum() * 3)
    found = split(plan, t.rows_of)
    assert isinstance(found, Streamed)
    stored = Stored(Trio(1), plan, t.session.stored)
    outcomes = streamed_run(Trio(2), plan, stored, found, 10)
    whole = [asked[0] for asked in stored.asked if asked[1:] == (None, 0)]
    assert len(whole) == len(set(whole)) > 0
    for got, expected in zip(opened(outcomes, types_of(plan)), oracle.evaluate(plan, t.session.stored), strict=True):
        assert got == expected


def test_sums_over_some_axes_or_of_tables_go_through_the_rows() -> None:
    t = Table()
    wide = t.session.share(np.arange(2 * N).reshape(N, 2), bounds=(0, 2 * N))
    t.rows_of |= {list(t.session.stored)[-1]: N}
    t.check(wide.sum(), t.xp.sum(wide, axis=0))


@pytest.mark.parametrize("rows", [1, 7, 40, 41, 64, 1000])
def test_partitions_of_any_size(rows: int) -> None:
    t = Table()
    t.check(t.xp.count_nonzero(t.x > 20), t.b.sum(), t.x > 4, rows=rows)


def test_two_passes_for_deviations_from_a_mean() -> None:
    t = Table()
    t.check(((t.x - t.x.mean()) ** 2).sum(), slack=1 << 28)
    both = t.x + t.y
    t.check(((both - both.mean()) ** 2).sum(), passes=2, slack=1 << 28)
    exact = (t.x * both.sum()).sum(), (t.x - both.sum()) * 2
    t.check(*exact, passes=2)
    t.check((t.x * (t.x * both.sum()).sum()).sum(), passes=3)


def test_sums_that_are_rescaled_are_rescaled_once() -> None:
    """The product of fixed-point sums carries both scales until it is whole: one rounding, not one a partition."""
    t = Table()
    product = t.xp.sum(t.f * t.f)
    plan = compile_plan([Wanted(settle(product.node), OutputKind.PERSIST, bytes(16))], LAN)
    named = [(op.operation.name, op.attrs) for op in plan.operations[1:]]
    bounds = StatedBounds(0, plan.operations[1].type.hi, DERIVED.number)
    assert named == [("contract", Contraction((0,), 16)), ("bound", bounds)]  # a sum of squares
    found = split(plan, t.rows_of)
    assert isinstance(found, Streamed)
    assert [op.attrs for op in partition_of(found, 0, 5).operations[1:]] == [Contraction((0,))]
    assert [op.operation.name for op in tail_of(found).operations] == ["input", "rescale", "bound"]
    stored = Stored(Trio(1), plan, t.session.stored)
    (result,) = opened(streamed_run(Trio(2), plan, stored, found, 3), types_of(plan))
    (expected,) = oracle.evaluate(plan, t.session.stored)
    assert abs(int(result) - int(expected)) <= 1


@pytest.mark.parametrize("rows", [1, 2, 7, 40, 41, 1000])
def test_sums_that_outgrow_the_ring_of_their_factors(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a row is lifted: sums of blocks are, in partitions of which some fit the narrow ring and some do not."""
    monkeypatch.setattr(matrix, "SHORTEST_BLOCK", 2)
    t = Table()
    top = 1 << 30
    w = t.session.share(np.where(np.arange(N) % 3 == 0, -top, top - 5), bounds=(-top, top))
    t.rows_of |= {list(t.session.stored)[-1]: N}
    table = t.xp.stack([w, t.x], axis=1)
    values = t.xp.matmul(t.xp.matrix_transpose(table), table), t.xp.sum(w * w), t.xp.sum(table * w[:, None], axis=0)
    plan = t.plan(*values)
    rings = [(op.operation.name, op.type.ring) for op in plan.operations if op.operation.name in ("matmul", "contract")]
    assert sorted(rings) == [("contract", 128), ("contract", 128), ("matmul", 128)]
    assert "lift" not in {op.operation.name for op in plan.operations}
    t.check(*values, rows=rows)


def test_linear_regression_gives_the_same_coefficients() -> None:
    """Streamed, whole, and with NumPy on the plain data."""
    rng = np.random.default_rng(11)
    plain = rng.integers(0, 100, (N, 3))
    target = plain @ [3, -2, 1] + rng.integers(-9, 10, N)
    t = Table()
    columns = [t.session.share(column, bounds=(0, 100)) for column in plain.T]
    y = t.session.share(target, bounds=(-400, 400))
    rows_of = {handle: N for handle in list(t.session.stored)[-4:]}
    model = LinearRegression().fit(t.xp.stack(columns, axis=1), y)
    plan = t.plan(model.coef_, model.intercept_)
    found = split(plan, rows_of)
    assert isinstance(found, Streamed) and found.passes == 1
    names = [op.operation.name for op in partition_of(found, 0, 10).operations]
    # X and y each at its own scale: products of X, of X with y, and of y
    assert (names.count("matmul"), names.count("contract"), names.count("sum")) == (2, 1, 1)
    trio = Trio(3)
    stored = Stored(trio, plan, t.session.stored)
    in_parts = opened(streamed_run(trio, plan, stored, found, 10), types_of(plan))
    whole = opened(
        at_three(
            trio,
            lambda party, streams, channel: execute(plan, party, streams, channel, stored.at(party), timeout=TIMEOUT_S),
        ),
        types_of(plan),
    )
    scales = [2.0**type.frac_bits for type in types_of(plan)]
    design = np.column_stack([plain, np.ones(N)])
    expected = np.linalg.lstsq(design, target, rcond=None)[0]
    for results in (in_parts, whole):
        coefficients = np.array(results[0] / scales[0], dtype=float)
        np.testing.assert_allclose(coefficients, expected[:3], rtol=1e-8)
        assert abs(float(results[1]) / scales[1] - expected[3]) < 1e-6


def _loop_over_rows(t: Table) -> Any:
    from tercet.array import loop

    return loop(2, lambda v: v + t.x, t.x, bounds=(0, 1000)).sum()


REFUSED: dict[str, tuple[Any, str]] = {
    "cumulative sum": (lambda t: t.xp.cumulative_sum(t.x, axis=0).sum(), "one after the other"),
    "slice": (lambda t: t.x[:10].sum(), "by their place"),
    "reversed": (lambda t: (t.x * t.y[::-1]).sum(), "by their place"),
    "indices": (lambda t: t.x[np.arange(N) % 2 == 0].sum(), "by their place"),
    "maximum": (lambda t: t.xp.max(t.x), "by their place"),
    "pairs of rows": (lambda t: (t.x[:, None] * t.y[None, :]).sum(), "along two axes"),
    "rows behind rows": (lambda t: t.xp.concat([t.x, t.y]).sum(), "one behind the other"),
    "other shape": (lambda t: t.xp.reshape(t.table, (2 * N,)).sum(), "mixes rows with other axes"),
    "loop over rows": (_loop_over_rows, "(loop) goes over rows"),
    "nothing with rows": (lambda t: t.small.sum(), "no input has rows"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_along_rows_is_refused(name: str) -> None:
    t = Table()
    found = t.split(REFUSED[name][0](t))
    assert isinstance(found, Refusal) and REFUSED[name][1] in found.reason, found


def test_inputs_without_the_announced_rows_are_refused() -> None:
    t = Table()
    plan = t.plan(t.x.sum())
    found = split(plan, {handle: N + 1 for handle, _ in plan.inputs()})
    assert isinstance(found, Refusal) and "42 rows" in found.reason


def test_pieces_are_plans() -> None:
    """A partition and the tail are complete plans, whose types check anew, and rows go where they belong."""
    t = Table()
    found = t.split(*PLANS["everything at once"](t))
    assert isinstance(found, Streamed)
    for plan in (partition_of(found, 0, 10), partition_of(found, 40, 41), tail_of(found)):
        assert Plan.from_bytes(plan.to_bytes()).to_bytes() == plan.to_bytes()
    masked = t.split((t.x * (np.arange(N) % 3)).sum())
    assert isinstance(masked, Streamed)
    weights = partition_of(masked, 5, 8).operations[1]
    assert oracle.plain_constant(weights).tolist() == [2, 0, 1]


def test_progress_and_reports() -> None:
    t = Table()
    found = t.split(t.xp.count_nonzero(t.x > 20), ((t.y - (t.x + t.y).sum()) * t.x).sum())
    assert isinstance(found, Streamed) and found.passes == 2
    stored = Stored(Trio(1), found.plan, t.session.stored)
    seen: list[float] = []
    outcomes = streamed_run(Trio(2), found.plan, stored, found, 20, progress=seen.append)
    assert seen == pytest.approx([k / 6 for k in range(1, 7)])
    reports = {report.index: report for report in outcomes[PARTIES[0]].operations}
    negative = next(i for i, op in enumerate(found.plan.operations) if op.operation.name == "negative")
    assert reports[negative].name == "negative" and reports[negative].rounds > 0
    assert set(reports) <= set(range(len(found.plan.listed)))


def test_bytes_are_counted_by_operation_of_the_whole_plan() -> None:
    t = Table()
    found = t.split(t.xp.count_nonzero(t.x > 20))
    assert isinstance(found, Streamed)
    stored = Stored(Trio(1), found.plan, t.session.stored)
    sent: dict[Party, dict[int, int]] = {}

    def work(party: Party, streams: Any, channel: Any) -> Any:
        outcome = execute_streamed(Passes(found, 8), party, streams, channel, stored.of(party), timeout=TIMEOUT_S)
        sent[party] = dict(channel.bytes_of)
        return outcome

    at_three(Trio(2), work)
    interactive = {i for i, op in enumerate(found.plan.operations) if not op.operation.local}
    assert all(set(of) <= interactive for of in sent.values())
    assert all(sum(sent[party].get(i, 0) for party in PARTIES) for i in interactive)


def test_numbers_never_repeat_and_name_their_operation() -> None:
    t = Table()
    found = t.split(t.xp.count_nonzero(t.x > 20), _looped(t))
    assert isinstance(found, Streamed)
    passes = Passes(found, 10)
    stages = passes.stages
    ranges = [(stage.first, stage.first + stage.turns * stage.numbers) for stage in stages]
    assert all(end == start for (_, end), (start, _) in pairwise(ranges))
    names = passes.names
    passed = next(stage for stage in stages if stage.pass_number)
    place = [op.operation.name for op in passed.piece.plan.operations].index("negative")
    for turn in range(passed.turns):
        assert names[passed.first + turn * passed.numbers + place] == "negative"
    assert len(names) == ranges[-1][1] and len(names) not in names
    with pytest.raises(KeyError):
        passes.place_of(len(names))


def test_a_partition_is_added_once() -> None:
    t = Table()
    found = t.split(t.xp.count_nonzero(t.x > 20))
    assert isinstance(found, Streamed)
    passes = Passes(found, 10)
    (pass_,) = [stage for stage in passes.stages if stage.pass_number]
    (total,) = pass_.piece.results
    gather = Gather(passes, cast(LaneRun, None))
    words = ring(found.pieces.total_type(total).ring)
    one = Share(words, words.from_ints(np.array(1)), words.from_ints(np.array(2)))
    for turn, rows in enumerate(passes.partitions()):
        gather.take(1, turn, rows, {total: one})
        with pytest.raises(ValueError, match="a second time"):
            gather.take(1, turn, rows, {total: one})


@pytest.mark.parametrize("shape", [(300,), (300, 3), (3, 300)])
@pytest.mark.parametrize("bits", [True, False])
def test_parts_of_an_output_come_in_any_order(shape: tuple[int, ...], bits: bool) -> None:
    place = shape.index(300)
    rng = np.random.default_rng(3)
    words = ring(64)
    t = bool_type(shape) if bits else Type(ValueKind.INT, shape, 64, 0, 0, 0, 9)
    own, following = (rng.integers(0, 2 if bits else 10, shape) for _ in range(2))
    parts = list(partitions(300, 64))
    output = RowsOutput(t, len(shape) - 1 - place)
    for number in rng.permutation(len(parts)):
        start, stop = parts[number]
        some = [np.ascontiguousarray(np.take(one, range(start, stop), axis=place)) for one in (own, following)]
        if bits:
            output.append(
                BitShare(some[0].size, *(pack_bits(one.astype(bool).reshape(-1)) for one in some)), start, stop
            )
        else:
            output.append(Share(words, *(words.from_ints(one) for one in some)), start, stop)
    found = output.value
    for got, wanted in zip((found.own, found.next), (own, following), strict=True):
        plain = unpack_bits(got, wanted.size).reshape(shape) if bits else words.to_ints(got)
        assert np.array_equal(np.asarray(plain).astype(int), wanted)


def test_too_many_partitions_are_refused() -> None:
    t = Table()
    found = t.split(t.xp.count_nonzero(t.x > 20))
    assert isinstance(found, Streamed)
    huge = Streamed(found.plan, 1 << 40, found.pieces)
    with pytest.raises(PlanError, match="make the partitions larger"):
        Passes(huge, 64)


def test_a_wrong_stored_array_is_refused() -> None:
    t = Table()
    found = t.split((t.x + t.y).sum())
    assert isinstance(found, Streamed)
    stored = Stored(Trio(1), found.plan, t.session.stored)
    stored.shares = {
        h: {p: Share(s.ring, s.own[:-1], s.next[:-1]) for p, s in shares.items()} for h, shares in stored.shares.items()
    }
    with pytest.raises(PlanError, match="stored with another type"):
        streamed_run(Trio(2), found.plan, stored, found, 10)


@pytest.mark.parametrize("rows", [1, 2, 63, 64, 101, 4096, 4097, 8193, 262_145])
@pytest.mark.parametrize("wanted", [37, 100, 4096, 5000, 1 << 20])
def test_partitions_are_even_whatever_is_wanted(rows: int, wanted: int) -> None:
    found = list(partitions(rows, wanted))
    assert [start for start, _ in found] == [0, *[stop for _, stop in found[:-1]]] and found[-1][1] == rows
    lengths = [stop - start for start, stop in found]
    aligned = rows // len(found) >= 4096
    assert len(found) == -(-rows // wanted) and max(lengths) - min(lengths) <= (127 if aligned else 1)
    if wanted >= 4096 <= rows:
        assert min(lengths) > 1984
    assert not aligned or all(start % 64 == 0 for start, _ in found)
