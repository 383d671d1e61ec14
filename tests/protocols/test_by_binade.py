"""Functions with a polynomial for every power of two, at three parties: integers, costs, one element one result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from protocol_checks import SOLOS, check_that_elements_stand_alone, open_words, run_counted
from tercet.protocols import functions
from tercet.protocols.binades import names, rows
from tercet.protocols.by_binade import BITS, Binades, by_binade, by_binade_shape
from tercet.protocols.polynomial import blocks, used
from tercet.ring import RING64, RING128
from trio import Trio
from vector_files import vectors

TRUE: dict[str, Callable[[Any], Any]] = {
    "gammaln": mpmath.loggamma,
    "digamma": mpmath.digamma,
    "log_ndtr": lambda v: mpmath.log(mpmath.erfc((v - 8) / mpmath.sqrt(2)) / 2),
    "erfinv": lambda u: mpmath.erfinv(1 - u),
}
RANGES = {
    "gammaln": (1 << 16, 1000 << 16),
    "digamma": (1 << 16, 1000 << 16),
    "log_ndtr": (0, 1000 << 16),
    "erfinv": (1, 1 << 16),
}


@pytest.mark.parametrize("vector", vectors("binade"))
def test_public_integers_are_those_of_the_vectors(vector: Any) -> None:
    wanted = {
        row["binade"]: (row["exponent"], tuple(int(value) for value in row["coefficients"])) for row in vector["rows"]
    }
    assert dict(rows(vector["series"], vector["coefficient_bits"])) == wanted


def test_every_table_has_a_vector_and_leaves_headroom() -> None:
    found = [vector.values[0] for vector in vectors("binade")]
    assert {(v["series"], v["coefficient_bits"]) for v in found} == set(names())
    for name, bits in names():
        p = functions.NARROW if bits == BITS[64] else functions.WIDE
        for exponent, values in rows(name, bits).values():
            assert exponent >= 0 and sum(map(abs, values)) <= (1 << bits) + len(values)
            assert used(blocks(values if len(values) > 2 else (*values, 0, 0)[:3])) << p.scale < 1 << p.room


def shape_of(name: str, ends: tuple[int, int]) -> Binades:
    found = by_binade_shape(name, *ends, 16, 16, 64)
    assert found is not None
    return found


@pytest.mark.parametrize("exact", [False, True], ids=["coins", "exact"])
@pytest.mark.parametrize("size", [1, 64, 3000])
@pytest.mark.parametrize("name", TRUE)
def test_values_and_costs(name: str, size: int, exact: bool) -> None:
    lo, hi = RANGES[name]
    for ends in ((lo, hi), (3 << 15, 5 << 15) if name != "erfinv" else (5, 7), (9 << 12, 15 << 12)):
        if name in ("gammaln", "digamma") and ends[0] < 1 << 16:
            continue
        rng = np.random.default_rng(size)
        values = [ends[0], ends[1], max(1, ends[0])][:size]
        values += [int(v) for v in np.exp(rng.uniform(np.log(max(1, ends[0])), np.log(ends[1]), size - len(values)))]
        shape = shape_of(name, ends)
        cost = functions.elementwise_cost(RING64, size, by_binade, shape, exact=exact)
        of = lambda scope, x, s=shape: functions.elementwise(scope, x, by_binade, s, exact=exact)
        trio = Trio(size)
        found = open_words(run_counted(trio, cost, of, trio.share(RING64, values), solo=SOLOS[size % 3]))
        for k in range(0, size, max(1, size // 60)):
            true = float(TRUE[name](mpmath.ldexp(max(1, values[k]), -16)))
            assert abs(int(found[k]) / 2**shape.out_bits - true) < 2**-18 * max(1, abs(true))


def test_what_no_ring_takes_is_none() -> None:
    assert by_binade_shape("gammaln", 1 << 15, 1 << 20, 16, 16, 64) is None  # below 1
    assert by_binade_shape("gammaln", 1 << 16, 1 << 42, 16, 16, 64) is None  # the result
    assert by_binade_shape("gammaln", 1 << 16, 1 << 42, 16, 16, 128) is not None
    assert by_binade_shape("log_ndtr", 0, 1 << 20, 24, 24, 64) is None
    assert by_binade_shape("erfinv", 1, 1 << 17, 16, 16, 64) is None
    assert RING128.bits == 128


@pytest.mark.parametrize("name", TRUE)
def test_what_becomes_of_an_element_depends_on_it_alone(name: str) -> None:
    shape = shape_of(name, RANGES[name])
    check_that_elements_stand_alone(lambda scope, x: functions.elementwise(scope, x, by_binade, shape, exact=False))
