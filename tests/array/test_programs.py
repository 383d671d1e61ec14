"""Random programs and regressions against exact rational arithmetic: a few of those of `tests/random_programs.py`."""

from __future__ import annotations

import pytest

import random_programs

EACH = 60


@pytest.mark.parametrize("first", range(0, 5 * EACH, EACH))
def test_programs(first: int) -> None:
    for seed in range(first, first + EACH):
        random_programs.run(seed)


def test_regressions() -> None:
    for seed in range(12):
        random_programs.fit(seed)


def test_a_wrong_value_is_found() -> None:
    program = random_programs.Program(1)
    value = program.values[0]
    value.exact = [exact + 1 for exact in value.exact]
    with pytest.raises(random_programs.FaultError):
        program.check()
