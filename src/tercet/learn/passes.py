"""What fits by repeated passes stand on: loops that NumPy arrays go through, too, and limits under sharing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tercet.array.core import SecretArray, apply
from tercet.array.loops import loop
from tercet.learn.reasons import DRAWN_IN
from tercet.plan.record import build
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import bounded

Pair = tuple[float, float] | None


def repeat(count: int, body: Callable[..., Any], *init: Any, bounds: Sequence[Pair]) -> Any:
    """Apply `body` to the carried arrays `count` times, as a loop of the plan (`tercet.loop`); or to NumPy arrays.

    Gives a tuple of as many arrays. Carried secret arrays lie within `bounds` between passes; None: as they start.
    """
    if any(isinstance(value, SecretArray) for value in init):
        found = loop(count, body, *init, bounds=bounds)
        return found if isinstance(found, tuple) else (found,)
    values = init
    for _ in range(count):
        given = body(*values)
        values = given if isinstance(given, tuple) else (given,)
    return values


def drawn_in(x: Any, limit: Any) -> tuple[Any, Any, Any]:
    """x drawn in to [-limit, limit], where it lay above, and where below: two comparisons side by side, 4 rounds.

    `limit`: positive, public or secret, at no more fractional bits than x has.
    """
    if not isinstance(x, SecretArray):
        return np.clip(x, -limit, limit), x > limit, x < -limit
    xp = x.__array_namespace__()
    above, below = x > limit, x < -limit
    drawn = x + xp.where(above, limit - x, 0) + xp.where(below, -limit - x, 0)

    def narrowed(node: Recorded, ends: Recorded | Any) -> Recorded:
        most = build.bounds_at(ends, node.type.frac_bits)[1]
        return bounded(node, -most, most, DRAWN_IN)

    return apply(narrowed, drawn, limit), above, below


def spread(x: Any, like: Any, frac_bits: int) -> Any:
    """Public numbers as a sharing beside a secret array, to begin a loop with; beside NumPy arrays as they are."""
    x = np.asarray(x, dtype=np.float64)
    if not isinstance(like, SecretArray):
        return x
    stored = np.rint(np.ldexp(x, frac_bits)).astype(np.int64)
    xp = like.__array_namespace__()
    one = xp.broadcast_to(xp.reshape(like, (-1,))[0], x.shape)
    return apply(lambda node: build.shared_integers(node, stored, frac_bits), one)
