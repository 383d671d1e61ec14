"""Passes of a public number: a loop of the plan on secret arrays, Python's on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tercet.array.core import SecretArray
from tercet.array.loops import loop


def repeat(count: int, body: Callable[..., tuple[Any, ...]], *init: Any, bounds: Sequence[Any]) -> tuple[Any, ...]:
    """Carried arrays after `count` passes; `bounds` as of `tercet.loop`."""
    if isinstance(init[0], SecretArray):
        found = loop(count, body, *init, bounds=bounds)
        return found if isinstance(found, tuple) else (found,)
    state: tuple[Any, ...] = init
    for _ in range(count):
        state = body(*state)
    return state


def pushed(xp: Any, kept: Any, one: Any) -> Any:
    """An array of what passes gave, along the first axis: the oldest out, this one in."""
    return xp.concat([kept[1:], xp.expand_dims(one, axis=0)], axis=0)
