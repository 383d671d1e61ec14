"""Typed statements: a recorded run explains every byte that was sent.

`Trio.run` holds the transcripts of every run against its messages (`check_transcripts`), in all tests that use it; here
all protocol functions and all operations run, and what the check has to refuse.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
import pytest

import tercet as tc
import tercet.protocols
from plan_trio import TrioSession
from tercet import nn
from tercet.array import draws, numeric
from tercet.array.runs import twice_ranks
from tercet.learn.sigmoid import expit
from tercet.plan.network import Network
from tercet.plan.plan import Plan
from tercet.plan.record import compile
from tercet.plan.table.operations import BY_NAME
from tercet.plan.table.reasons import CAUCHY_SCHWARZ
from tercet.protocols import (
    bits,
    compare,
    convert,
    count,
    equality,
    functions,
    lookup,
    matrix,
    narrow,
    normalise,
    range_check,
    tails,
    truncate,
    turns,
)
from tercet.protocols.adders import count_by_adders
from tercet.protocols.compare_pc3 import is_negative_pc3
from tercet.protocols.convolution import convolution
from tercet.protocols.draws import random_integers
from tercet.protocols.logistic import logistic, wave
from tercet.protocols.message import Words
from tercet.protocols.network import network_rows
from tercet.protocols.order_statistics import Searches, order_statistics
from tercet.protocols.permutation import compose_orders, invert_order, move_by, order_places, random_order
from tercet.protocols.product import multiply
from tercet.protocols.reshare import reshare
from tercet.protocols.reveal import Window, reveal, reveal_bytes
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope, Together
from tercet.protocols.shuffle import FORMS, ShuffleForm, word_column
from tercet.protocols.sort import sort_ranks, sort_rows, sums_up_to
from tercet.protocols.transcript import Statement
from tercet.ring import RING64, RING128, ConvolutionArray, Convolutions, Geometry, Ring, to_planes
from tercet.sharing import PARTIES, BitShare, Purpose, Share
from trio import Trio

NARROW = Network("narrow", 1e-9, 1e6)
"""Bytes count, and rounds do not."""

SOURCES = Path(tercet.protocols.__file__).parent


BodyOf = Callable[..., Body[Any]]


def with_planes(bits: int, body: BodyOf) -> BodyOf:
    """A body that takes the planes of c and r, as the sharing of a number gives them."""

    def run(scope: Scope, x: Share) -> Body[Any]:
        part = (
            x.ring.add(x.own, x.next)
            if scope.role is ProtocolRole.D
            else x.next
            if scope.role is ProtocolRole.A
            else x.own
        )
        return body(scope, to_planes(part, bits), x.size)

    return run


def checked(scope: Scope, x: Share, valid: BitShare) -> Body[Any]:
    """A range check as nodes do it: all that is to be zero, folded, and opened as one bit."""
    ranges = [range_check.RangeRun(x.size, -5, 90)]
    parts = yield from range_check.out_of_range(scope, x, ranges, 8)
    parts += yield from range_check.not_canonical(scope, x, valid, ranges, 8)
    parts += yield from range_check.not_false(scope, valid, valid)
    tag = yield from range_check.fold(scope, parts)
    return (yield from range_check.all_zero(scope, range_check.tag_rows(*tag)))


def of_numbers(trio: Trio, ring: Ring, size: int) -> None:
    """All protocols on numbers."""
    numbers = list(range(size))
    flags = [number % 3 == 0 for number in numbers]
    x, y, b = trio.share(ring, numbers), trio.share(ring, numbers[::-1]), trio.share_bits(flags)
    bodies: list[BodyOf] = [
        reshare,
        lambda scope, x: truncate.truncate_exact(scope, x, 5),
        lambda scope, x: truncate.truncate_exact(scope, x, 5, nearest=True, one_round=True),
        lambda scope, x: truncate.truncate(scope, x, 5),
        lambda scope, x: truncate.truncate(scope, x, 5, one_round=True),
        lambda scope, x: compare.is_negative(scope, x, 20),
        lambda scope, x: compare.is_negative(scope, x, ring.bits, one_round=True),
        lambda scope, x: is_negative_pc3(scope, x, 20),
        lambda scope, x: equality.is_zero(scope, x, ring.bits),
        lambda scope, x: equality.is_zero_hamming(scope, x, 33),
        lambda scope, x: convert.words_to_bits(scope, x, 21),
        lambda scope, x: normalise.normalise(scope, x, 22, even=True),
        lambda scope, x: normalise.leading_factor(scope, x, 21),
        lambda scope, x: range_check.clip(scope, x, 3, 50),
    ]
    power = functions.exponential("exp", 0, 4000, 16, 16, ring.bits)
    for exact_inside in (False, True):
        bodies.append(
            lambda scope, x, exact=exact_inside: functions.elementwise(scope, x, functions.power, power, exact=exact)
        )
    of_turns = turns.turn("cos", 0, 4000, 16, 16, ring.bits)
    bodies.append(lambda scope, x: functions.elementwise(scope, x, turns.sine, of_turns, exact=False))
    of_tails = tails.tail("silu", 4000, 16, 16 if ring is RING64 else 40, ring.bits)
    bodies.append(lambda scope, x: functions.elementwise(scope, x, tails.tail_of, of_tails, exact=False))
    if (of_waves := wave(0, 4000, 16, ring.bits, 40, 1 << 40)) is not None:
        bodies.append(lambda scope, x: logistic(scope, x, of_waves))
    for name, function in (("log", functions.logarithm), ("sqrt", functions.root)):
        shape = functions.placed(name, 4000, 16, 16, ring.bits)
        bodies.append(lambda scope, x, f=function, s=shape: functions.elementwise(scope, x, f, s, exact=False))
    for body in bodies:
        trio.run(body, x)
    trio.run(with_planes(9, lambda scope, planes, count: compare.carry_out(scope, planes, 9, count)), x)
    for one_round in (False, True):
        trio.run(lambda scope, b, one_round=one_round: convert.bit_to_words(scope, b, ring, one_round=one_round), b)
        trio.run(lambda scope, b, x, one_round=one_round: convert.inject(scope, b, x, one_round=one_round), b, x)
    trio.run(multiply, x, y)
    trio.run(lambda scope, x, y: truncate.multiply_truncate(scope, x, y, 5), x, y)
    trio.run(checked, x, b)


def of_matrices(trio: Trio) -> None:
    left, right = trio.share(RING64, np.ones((5, 40), int)), trio.share(RING64, np.ones((40, 200), int))
    wide = trio.share(RING64, np.ones((40, 2), int))
    for shift in (0, 3):
        trio.run(lambda scope, x, y, shift=shift: matrix.matrix_product(scope, x, y, shift), left, right)
        trio.run(lambda scope, x, y, shift=shift: matrix.contract(scope, x, y, shift), wide, wide)
    trio.run(lambda scope, x, y: matrix.matrix_product_wide(scope, x, y, 10), left, right)
    trio.run(lambda scope, x, y: matrix.contract_wide(scope, x, y, 10), wide, wide)
    trio.run(lambda scope, x: truncate.lift(scope, x, one_round=True), right)
    trio.run(narrow.matrix_product_narrow, left, right)
    arrays = Convolutions(Geometry((9,), (2,), (1,), (1,), (0,), (1,)), 2, 3, 4, 1)
    image, kernel = (trio.share(RING64, np.ones(shape, int)) for shape in arrays.shapes[:2])
    for shift in (0, 3):
        body = lambda scope, x, y, shift=shift: convolution(scope, arrays, ConvolutionArray.OUTPUT, x, y, shift)
        trio.run(body, image, kernel)


def there_and_back(scope: Scope, x: Share, form: ShuffleForm) -> Body[Any]:
    order = yield from random_order(scope, 80, 2, form)
    back = yield from invert_order(scope, order, 2, form)
    yield from order_places(scope, order, 2, form)
    order = yield from compose_orders(scope, back, order, 2, form)
    there = yield from move_by(scope, order, [word_column(x)], 2, form)
    return (yield from move_by(scope, order, there, 2, form, back=True))


def of_bits(trio: Trio) -> None:
    b = trio.share_bits([True, False] * 40)
    rows = {party: BitShare(80, np.stack([b[party].own] * 3), np.stack([b[party].next] * 3)) for party in PARTIES}
    trio.run(lambda scope, x: reshare(scope, x), b)
    trio.run(lambda scope, x: bits.bit_and(scope, x, x), b)
    trio.run(bits.prefix_and, rows)
    trio.run(lambda scope, x: count.count_lines(scope, x, 20), b)
    trio.run(lambda scope, x: count_by_adders(scope, x, 2000), trio.share_bits([True, False] * 2000))
    searches, ranks = Searches(4, 2, 1, 20, 2), np.array([3, 9], np.uint64)
    trio.run(lambda scope, x: order_statistics(scope, x, ranks, searches), b)
    for form in FORMS:
        trio.run(lambda scope, x, y, f=form: sort_rows(scope, x, [y], 2, 2, f), rows, trio.share(RING64, np.arange(80)))
        trio.run(lambda scope, x, f=form: sort_ranks(scope, x, 2, 2, f), rows)
        column = trio.share(RING64, np.arange(40).reshape(1, 40))
        trio.run(lambda scope, x, y, f=form: sums_up_to(scope, x, y, 2, f), rows, column)
        trio.run(lambda scope, x, f=form: there_and_back(scope, x, f), trio.share(RING64, np.arange(80)))
    trio.run(lambda scope, x, y: network_rows(scope, x, [y], 2), rows, trio.share(RING64, np.arange(80)))
    trio.run(lambda scope, x: bits.select_rows(scope, x, x), rows)
    trio.run(lambda scope, x: bits.select_lines(scope, (x.count,), x.own, x.next, x.own, x.next), rows)
    table = lookup.TableShape(RING64, 70, 2, 0, 3)
    entries = lookup.table_bits(table, np.arange(140, dtype=np.uint64).reshape(70, 2) % 8)
    trio.run(lambda scope, x: lookup.lookup(scope, x, table, entries), trio.share(RING64, np.arange(70)))
    trio.run(lambda scope: random_integers(scope, RING64, 80, 5))


def protocol_functions() -> dict[CodeType, str]:
    """The public functions of `protocols` whose result is a body."""
    found = {}
    for module in pkgutil.iter_modules([str(SOURCES)]):
        names = vars(importlib.import_module(f"tercet.protocols.{module.name}"))
        for name, value in names.items():
            if inspect.isfunction(value) and not name.startswith("_") and "Body[" in str(value.__annotations__):
                found[value.__code__] = f"{module.name}.{name}"
    return found


@contextmanager
def called() -> Iterator[set[CodeType]]:
    """The code of all functions that run meanwhile."""
    seen: set[CodeType] = set()
    before = sys.gettrace()
    sys.settrace(lambda frame, event, _: seen.add(frame.f_code))  # None: no line within is traced
    try:
        yield seen
    finally:
        sys.settrace(before)


def test_of_every_protocol_function() -> None:
    """Each run is checked by `Trio.run`; here, that none is missing. A new protocol function fails without a run."""
    with called() as seen:
        for ring in (RING64, RING128):
            of_numbers(Trio(100), ring, 100)
        of_matrices(Trio(5))
        of_bits(Trio(6))
        tc.reveal(*of_real_numbers(TrioSession(parties=True), (16,)))
    assert [name for code, name in protocol_functions().items() if code not in seen] == []


@pytest.mark.parametrize("size", [1, 4000])
@pytest.mark.parametrize("ring", [RING64, RING128], ids=str)
def test_of_few_and_of_many_numbers(ring: Ring, size: int) -> None:
    of_numbers(Trio(size), ring, size)


def of_real_numbers(session: Any, scales: Sequence[int] = (16, 40)) -> list[Any]:
    """Every function of real numbers, at each scale."""
    few = session.share(np.arange(50) % 4, (0, 3))
    found = [few**few, 2 ** (few * 20)]
    for frac_bits in scales:
        x = session.share(np.linspace(-3, 3, 50), (-4, 4), frac_bits)
        y = session.share(np.linspace(0.1, 0.9, 50), (0.0625, 0.9375), frac_bits)
        special = (tc.special.erf, tc.special.softplus, tc.special.exp10)
        found += [
            *(f(x) for f in (tc.exp, tc.exp2, tc.sin, tc.cos, tc.tanh, tc.sinh, tc.cosh, tc.atan, tc.sinc, tc.cbrt)),
            *(f(x) for f in (*special, tc.nn.silu, tc.nn.gelu, tc.special.log_ndtr)),
            *(f(y) for f in (tc.log, tc.log2, tc.log10, tc.sqrt, tc.rsqrt, tc.tan, tc.asin, tc.acos)),
            *(f(y) for f in (tc.special.gammaln, tc.special.digamma, tc.special.erfinv, tc.special.ndtri)),
            tc.nn.gelu(x, approximate="tanh"),
            tc.atan2(x, y),
            tc.logaddexp2(x, y),
            x / y,
            1 / y,
            y**x,
            x // y,
            tc.atan(y),
            np.interp(x, [-2, -1, 2], [0, 1, 0.5]),
        ]
    return found


def of_places(session: Any, x: Any, y: Any) -> list[Any]:
    """All that moves elements in a secret order."""
    order = tc.Permutation.argsort(x)
    drawn = tc.Permutation.drawn(session, len(order))
    by_group = tc.array.Grouped(x).transform(y, "sum")
    moved = order.compose(drawn.invert()).apply(y)
    return [tc.array.sort(x), tc.shuffle(x), moved, drawn.indices(), twice_ranks(x), by_group]


def everything(session: Any, size: int) -> list[Any]:
    """Results that take every operation that sends."""
    x = session.share(np.linspace(-900, 900, size), (-1000, 1000), 16)
    y = session.share(np.linspace(5, 800, size), (1, 1000), 16)
    whole = session.share(np.arange(size) % 70 * 2**22, (-(2**29), 2**29))
    flag = session.share(np.arange(size) % 3 == 0)
    matrix = session.share(np.ones((size, 2)), (-1000, 1000), 16)
    few = session.share(np.arange(size) % 4, (0, 3))
    return [
        *of_real_numbers(session),
        (x * y).sum(),
        x / y,
        tc.array.maximum(x * y, -1e18),
        tc.where(flag, x > y, x == y),
        tc.array.round(x) + tc.array.floor(y * 0.25),
        tc.array.all(flag),
        tc.array.lookup([5, 9, 2, 7], few),
        tc.array.top_k(few * 30, 2).values,
        expit(x),
        numeric.held(x, -900, 900, 16),
        numeric.ratio(y, y, 2, 16),
        numeric.half_normaliser(few + 1, 4)[0],
        numeric.product_within(whole, whole, 0, 1 << 60, CAUCHY_SCHWARZ),
        tc.loop(2, lambda a: a * 0.5 + y, x, bounds=(-(2.0**20), 2.0**20)),
        (x == 0).astype(int),
        matrix.T @ matrix,
        tc.array.sum(matrix * matrix, axis=0),
        whole @ whole,
        tc.array.var(whole),
        tc.array.bincount(few),
        np.histogram(whole, 16, (-(2**29), 2**29))[0],
        tc.array.sort(whole),
        draws.uniform(session, size, 0, 1, 16),
    ]


def variants_of(plan: Plan) -> set[tuple[str, int]]:
    """The operations of a plan and of its loops that send, each with the number of its variant."""
    found = set()
    for index, op in enumerate(plan.operations):
        if not op.operation.local:
            found.add((op.operation.name, plan.call(index).variant))
        if op.body is not None:
            found |= variants_of(op.body)
    return found


def test_of_every_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """In every variant."""
    done: set[tuple[str, int]] = set()
    most = max(len(operation.variants) for operation in BY_NAME.values())
    for turn in range(most):

        def taken(operation: Any, call: Any, network: Any, security: Any, turn: int = turn) -> int:
            """Each of the variants that take the call in its turn."""
            fitting = [number for number, variant in enumerate(operation.variants) if variant.fits(call)]
            return fitting[turn % len(fitting)]

        monkeypatch.setattr(compile, "quickest", taken)
        session = TrioSession(parties=True, network=NARROW)
        x, y = (session.share(np.arange(30) * k % 70, (0, 80)) for k in (7, 11))
        middle = tc.array.median(session.share(np.arange(60) % 4, (0, 3)))
        if not turn:
            (
                session.share(np.ones((128, 1024), int), (0, 1)) @ session.share(np.ones((1024, 256), int), (0, 1))
            ).reveal()
        convolved = nn.conv1d(x[None, None], y[:3][None, None])
        tc.reveal(middle, convolved, *of_places(session, x, y), *(everything(session, 70) if turn < 2 else []))
        for plan in session.plans:
            done |= variants_of(plan)
    sending = [operation for operation in BY_NAME.values() if not operation.local]
    wanted = {(operation.name, number) for operation in sending for number in range(len(operation.variants))}
    assert sorted(wanted - done) == []


def test_a_message_without_a_mask_is_refused() -> None:
    def bare(purpose: Purpose | None, pair: Pair) -> None:
        def body(scope: Scope) -> Body[None]:
            step, layout = scope.step("bare"), Words(RING64, (4,))
            if scope.role is ProtocolRole.D:
                words = RING64.zeros((4,))
                if purpose is not None:
                    words = step.words(pair, RING64, (4,), purpose)
                step.deal(ProtocolRole.B, (layout, words))
            elif scope.role is ProtocolRole.B:
                yield step.receive(ProtocolRole.D, layout)

        Trio(1).run(body)

    bare(Purpose.TABLE, Pair.AD)
    for purpose, pair in ((None, Pair.AD), (Purpose.TABLE, Pair.BD), (Purpose.COIN, Pair.AD)):
        with pytest.raises(AssertionError, match="nothing hides this: operation 1 part 0x0 step 1: party"):
            bare(purpose, pair)


def test_a_listing() -> None:
    trio = Trio(3)
    trio.run(multiply, trio.share(RING64, [1, 2, 3]), trio.share(RING64, [4, 5, 6]), solo=PARTIES[0])
    assert trio.post.transcripts[PARTIES[0]].listing().splitlines() == [
        "operation 1 part 0x0 step 1: party 1 draws 24 bytes of the stream of component 2, OUTPUT",
        "operation 1 part 0x0 step 1: party 1 draws 24 bytes of the stream of component 2, MASK",
        "operation 1 part 0x0 step 1: party 1 draws 24 bytes of the stream of component 1, MASK",
        "operation 1 part 0x0 step 1: party 1 to party 3: deal, 24 bytes",
    ]
    for party in PARTIES[1:]:
        assert trio.post.transcripts[party].bytes_of() == {Statement.PRODUCT: 24}


def test_what_comes_from_outside_and_goes_there_is_listed() -> None:
    """An input by its components; a revealed value by the message that the recipient gets, beside its draws."""
    trio = Trio(4)
    window = Window(RING64, 0, 16)

    def body(scope: Scope, x: Share) -> Body[int]:
        yield Together([])
        return reveal(scope, scope.input(x), window).nbytes

    sizes = trio.run(body, trio.share(RING64, [1, 2, 3]))
    assert set(sizes.values()) == {reveal_bytes(window, 3)}
    for party in PARTIES:
        transcript = trio.post.transcripts[party]
        assert [(said.statement, said.to, said.nbytes) for said in transcript.statements] == [
            (Statement.INPUT, None, 2 * 3 * 8),
            (Statement.REVEAL, None, reveal_bytes(window, 3)),
        ]
        assert [(draw.purpose, draw.component) for draw in transcript.draws] == [
            (purpose, component) for purpose in (Purpose.ZERO, Purpose.COIN) for component in (party, party.next)
        ]
        assert f"party {int(party)} has 48 bytes of input" in transcript.listing()
        assert f"party {int(party)} to outside: reveal, {reveal_bytes(window, 3)} bytes" in transcript.listing()
