"""Upper bounds on time, on a machine that others use too: any one attempt may be late, not all of several."""

from __future__ import annotations

from collections.abc import Callable

_TRIES = 6


class Late(Exception):
    """An upper bound did not hold."""


def at_most(seconds: float, limit: float) -> None:
    if seconds >= limit:
        raise Late(f"took {seconds:.4f} s, at most {limit:g} s are right")


def in_time(attempt: Callable[[], object]) -> None:
    """Run `attempt` until it is not `Late`; what is asserted in it must hold each time."""
    for left in range(_TRIES - 1, -1, -1):
        try:
            attempt()
            return
        except Late:
            if not left:
                raise
