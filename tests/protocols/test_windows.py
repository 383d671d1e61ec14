"""Polynomials in pieces at three parties: costs as declared for any number of elements; one element, one result."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from protocol_checks import SOLOS, check_that_elements_stand_alone, open_words, run_counted
from tercet.protocols import functions, windows
from tercet.protocols.cost import Cost
from tercet.ring import RING64
from trio import Trio

ENDS = (-(4 << 16), -(1 << 16), 3 << 14, 4 << 16)
TABLES = {
    "steps": ((5 << 20,), (-(7 << 20),), (1,)),
    "lines": ((5 << 20, 3 << 19), (-(7 << 20), 0), (1, 9 << 20)),
    "cubic": ((5 << 20, 3 << 19, 1 << 18, -(1 << 17)), (-(7 << 20), 0, 0, 0), (1, 9 << 20, 4 << 20, 1 << 20)),
}
OUT = 24


def shape_of(name: str) -> windows.PieceShape:
    found = windows.pieces(ENDS, TABLES[name], OUT, 64)
    assert found is not None
    return found


def meant(name: str, value: int) -> Fraction:
    """By T_(k+1) = 2 t T_k - T_(k-1), in fractions."""
    k = next(k for k in range(3) if value < ENDS[k + 1] or k == 2)
    t = Fraction(2 * (value - ENDS[k]), ENDS[k + 1] - ENDS[k]) - 1
    total, one, two = Fraction(0), Fraction(1), t
    for coefficient in TABLES[name][k]:
        total, one, two = total + coefficient * one, two, 2 * t * two - one
    return total


def declared(name: str, count: int, exact: bool) -> Cost:
    return functions.elementwise_cost(RING64, count, windows.piecewise, shape_of(name), exact=exact)


@pytest.mark.parametrize("exact", [False, True], ids=["coins", "exact"])
@pytest.mark.parametrize("size", [1, 64, 4000, 40_000])
@pytest.mark.parametrize("name", TABLES)
def test_values_and_costs(name: str, size: int, exact: bool) -> None:
    if exact and size > 4000:
        size = 4001
    rng = np.random.default_rng(size)
    values = [ENDS[0], ENDS[1] - 1, ENDS[1], ENDS[2], ENDS[3] - 1][:size]
    values += [int(v) for v in rng.integers(ENDS[0], ENDS[-1], size - len(values))]
    trio = Trio(size)
    of = lambda scope, x: functions.elementwise(scope, x, windows.piecewise, shape_of(name), exact=exact)
    cost = declared(name, size, exact)
    found = open_words(run_counted(trio, cost, of, trio.share(RING64, values), solo=SOLOS[size % 3]))
    for k in range(0, size, max(1, size // 200)):
        assert abs(int(found[k]) - meant(name, values[k])) <= 16


@pytest.mark.parametrize("name", TABLES)
def test_what_becomes_of_an_element_depends_on_it_alone(name: str) -> None:
    check_that_elements_stand_alone(
        lambda scope, x: functions.elementwise(scope, x, windows.piecewise, shape_of(name), exact=False)
    )
