"""Random plans in which values, norms and axes meet as they should and as they should not: no limit is ever passed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from plan_trio import TrioSession
from tercet.errors import PlanError
from tercet.plan.bounds.roots import product_limit
from tercet.plan.plan import OutputKind
from tercet.plan.record import build, functions
from tercet.plan.record.compile import Wanted
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import renamed, rescaled, settle

SEEDS = 150


class Maker:
    """Small arrays at their bounds, moved about, centred and summed over any axes."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.session = TrioSession(parties=False)
        n = self.rng.choice([2, 3])
        self.shape = self.rng.choice([(n, n), (n, n), (n, n + 1), (4,), (2, 2, 2)])
        self.bits = self.rng.choice([0, 0, 4])
        self.leaves = [self.leaf() for _ in range(2)]

    def leaf(self) -> Any:
        lo, hi = sorted(self.rng.sample(range(-6, 7), 2))
        values = [self.rng.choice([lo, hi, self.rng.randint(lo, hi)]) for _ in range(math.prod(self.shape))]
        scale = 2.0**-self.bits if self.bits else 1
        return self.session.share(np.array(values).reshape(self.shape) * scale, bounds=(lo * scale, hi * scale))

    def moved(self, x: Any) -> Any:
        moves: list[Callable[[], Any]] = [
            lambda: np.transpose(x),
            lambda: x[::-1],
            lambda: x.reshape(x.shape[::-1]),
            lambda: x * self.rng.choice([1, -1, 2, 3]),
            lambda: x + self.rng.choice(self.leaves),
            lambda: x.reshape((1, *x.shape)),
            lambda: x.reshape((*x.shape, 1)),
            lambda: x + self.rng.choice([0, 1]),
        ]
        return self.rng.choice(moves)()

    def axis(self, x: Any) -> Any:
        return self.rng.choice([None, *range(x.ndim)])

    def value(self) -> Any:
        x = self.rng.choice(self.leaves)
        x = self.moved(x) if self.rng.random() < 0.4 else x
        if self.rng.random() < 0.5:
            x = x - np.mean(x, axis=self.axis(x), keepdims=True) if x.ndim else x
        return x.like(settle(x.node)) if self.rng.random() < 0.3 else x

    def norm(self) -> Any:
        x = self.value()
        y = x if self.rng.random() < 0.8 else self.value()
        axis, kept = self.axis(x), self.rng.random() < 0.6
        if self.rng.random() < 0.4:
            found = np.var(x, axis=axis, keepdims=kept)
        else:
            found = np.sum(x * y, axis=axis, keepdims=kept)
        return self.moved(found) if self.rng.random() < 0.3 else found

    def inverse(self, x: Any) -> Recorded:
        return functions.unrounded(build.number(x.node), "rsqrt")

    def pair(self) -> tuple[Recorded, Recorded]:
        """What is multiplied, and about 1 / sqrt of something."""
        c = self.value() if self.rng.random() < 0.6 else self.norm()
        norm = self.norm() if self.rng.random() < 0.4 else np.sum(c * c, axis=self.axis(c), keepdims=True)
        factor, r = build.number(c.node), self.inverse(norm)
        if self.rng.random() < 0.3:
            r = rescaled(renamed(r, r.type.frac_bits, 0), self.rng.randint(1, r.type.frac_bits))
        if self.rng.random() < 0.3:
            factor = build.multiply(_all_bits(factor), self.inverse(self.norm()))
            factor = rescaled(renamed(factor, factor.type.frac_bits, 0), self.rng.randint(1, 20))
        return factor, r


def _all_bits(x: Recorded) -> Recorded:
    return renamed(x, x.type.frac_bits, x.type.frac_bits)


@pytest.mark.parametrize("first", range(0, 4 * SEEDS, SEEDS))
def test_no_limit_is_passed(first: int) -> None:
    found = 0
    for seed in range(first, first + SEEDS):
        maker = Maker(seed)
        try:
            c, r = maker.pair()
            limit = product_limit(c, r)
            product = None if limit is None else build.multiply(_all_bits(c), _all_bits(r))
        except (PlanError, ValueError, IndexError):  # shapes that do not meet, bounds that no ring takes
            continue
        if limit is None or product is None:
            continue
        values = maker.session.run([Wanted(renamed(product, 0, 0), OutputKind.REVEAL)])[0]
        stored = np.asarray(values, dtype=object).reshape(-1).tolist()
        assert all(limit[0] <= value <= limit[1] for value in stored), (seed, limit)
        found += 1
    assert found > SEEDS // 20
