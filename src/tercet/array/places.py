"""Elements put at secret places. What is opened are shuffled places alone (docs/security/shuffles.md)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array import elementwise, given
from tercet.array.core import SecretArray, session_of
from tercet.array.dispatch import array_function_beside
from tercet.array.manipulation import broadcast_to, concat
from tercet.array.ordering import sort_by
from tercet.plan.record import build
from tercet.plan.types import ValueKind


def _plain_put(x: Any, indices: Any, values: Any) -> Any:
    """A copy of a public array with values put as NumPy's function does with mode="clip"."""
    out = np.array(x)
    np.put(out, indices, values, mode="clip")
    return out


@array_function_beside(_plain_put)
def put(x: SecretArray, indices: Any, values: Any, /) -> SecretArray:
    """A copy of x with values at places of the array read flat; both may be secret. Of several for one place the last
    wins. Places outside are drawn in to the ends, negative ones to 0.

    NumPy's `put` with mode="clip", but secret arrays do not change: it gives a new one, whose type takes up that of the
    values. For n elements and m values it sorts n + m rows by their places, log2(n) bits, compares neighbours and sorts
    by one bit. Exact. Opened are shuffled places, uniform whatever x and the indices are; to a policy every element is
    a single row. TypeError for indices that are no integers, ValueError where values are none or their number differs
    from that of the indices, unless it is one.
    """
    session_of(*[part for part in (x, indices, values) if isinstance(part, SecretArray)])
    places = indices if isinstance(indices, SecretArray) else np.asarray(given.array(indices, "indices"))
    if isinstance(places, SecretArray):
        whole = places.divisor == 1 and places._type.kind is ValueKind.INT
    else:
        whole = places.dtype.kind in "iu" or not places.size
    if not whole:
        raise TypeError("indices are integers: floor or round them first")
    if not places.size:
        return x
    if not x.size:
        raise ValueError("nothing is put into an array of no elements")
    taken = values if isinstance(values, SecretArray) else np.asarray(given.array(values, "values"))
    if taken.size not in (1, places.size):
        raise ValueError(f"{taken.size} values for {places.size} indices; give one, or one for each")
    flat = x.reshape(-1)
    keys = _shared(flat, np.arange(x.size))
    if isinstance(places, SecretArray):
        inside = elementwise.clip(places.reshape(-1), 0, x.size - 1)
    else:
        # unsigned ones may be beyond 63 bits
        inside = _shared(flat, np.clip(places.reshape(-1), 0, x.size - 1).astype(np.int64))
    line = taken.reshape(-1)
    if taken.size < places.size:
        line = broadcast_to(line, (places.size,)) if isinstance(line, SecretArray) else np.full(places.size, line)
    rows = concat([flat, line])
    key, found = sort_by(concat([keys, inside]), concat([keys, inside]), rows)
    # the last row of each place is what was put there last, or what was there
    changes = key[1:] != key[:-1]
    at_end = x.like(elementwise.shared_bools(changes[0].undivided, True, ()))
    last = concat([changes, at_end.reshape(1)])
    (kept,) = sort_by(last, found, descending=True)
    return kept[: x.size].reshape(x.shape)


def _shared(like: SecretArray, values: Any) -> SecretArray:
    """Public integers as a secret line."""
    numbers, _ = like._ranked(ordered=False)
    zeros = build.broadcast_to(elementwise.zeros_of(build.number(numbers.undivided)), values.shape)
    return like.like(build.shared_integers(zeros, values.astype(np.int64)))
