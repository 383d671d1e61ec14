"""Running expressions: reveal, persist, explain, and bounds that the analyst vouches for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from tercet.array.assumptions import raise_failed, with_checks
from tercet.array.core import SecretArray, session_of
from tercet.errors import PlanError
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.explain import Explanation
from tercet.plan.record.scale import assumed


def _all_secret(values: tuple[Any, ...], what: str) -> None:
    for value in values:
        if isinstance(value, list | tuple) and any(isinstance(part, SecretArray) for part in value):
            raise TypeError(f"{what} takes its arrays one by one: {what}(*arrays), not in a {type(value).__name__}")
        if not isinstance(value, SecretArray):
            raise TypeError(f"{what} takes secret arrays, not {type(value).__name__}")


def reveal(*arrays: SecretArray, checked: bool | None = None) -> Any:
    """Run one plan for all arrays and make them plain; NumPy, a tuple for several.

    Integers and bools come out exactly; others as the float64 nearest to the exact quotient of the revealed integer.
    With `checked` (default: as the session says), bounds given by `tercet.assume` are verified in the same run, and
    InputError names the first that does not hold.
    """
    _all_secret(arrays, "reveal")
    session = session_of(*arrays)
    parts = [array._parts() for array in arrays]
    wanted = [Wanted(part._node, OutputKind.REVEAL, divisor=part._divisor) for own in parts for part in own]
    count = len(wanted)
    wanted, checks = with_checks(wanted, session.checked if checked is None else checked)
    results = session.run([*wanted, *(Wanted(check.node, OutputKind.REVEAL) for check in checks)])
    raise_failed(checks, results[count:])
    found = iter(results)
    plain = tuple(array._composed([next(found) for _ in own]) for array, own in zip(arrays, parts, strict=True))
    return plain[0] if len(plain) == 1 else plain


def persist(*arrays: SecretArray, checked: bool | None = None) -> tuple[SecretArray, ...]:
    """Run one plan for all arrays and keep the results as shares at the parties; new arrays on those shares."""
    return keep(arrays, checked=checked)


def keep(
    arrays: Sequence[SecretArray], handles: Sequence[bytes] = (), *, checked: bool | None = None
) -> tuple[SecretArray, ...]:
    """As `persist`, under given handles; sessions call it, for what is kept by name."""
    _all_secret(tuple(arrays), "persist")
    session = session_of(*arrays)
    parts = [array._parts() for array in arrays]
    if handles and any(len(own) > 1 for own in parts):
        raise TypeError("what is kept by name is one array each: keep x.fillna(value) and x.notna() apart")
    every = [part for own in parts for part in own]
    wanted = [
        Wanted(part._node, OutputKind.PERSIST, handle)
        for part, handle in zip(every, handles or [b""] * len(every), strict=True)
    ]
    wanted, checks = with_checks(wanted, session.checked if checked is None else checked)
    results = session.run([*wanted, *(Wanted(check.node, OutputKind.REVEAL) for check in checks)])
    raise_failed(checks, results[len(every) :])
    kept = (SecretArray._new(session, node, part._divisor) for part, node in zip(every, results, strict=False))
    return tuple(array._rebuilt([next(kept) for _ in own]) for array, own in zip(arrays, parts, strict=True))


def explain(*arrays: SecretArray) -> Explanation:
    """What revealing these arrays in one plan costs, and what becomes plain to whom; nothing runs."""
    _all_secret(arrays, "explain")
    session = session_of(*arrays)
    wanted = [Wanted(part._node, OutputKind.REVEAL) for array in arrays for part in array._parts()]
    wanted, checks = with_checks(wanted, session.checked)
    wanted += [Wanted(check.node, OutputKind.REVEAL) for check in checks]
    return session.explain(compile_plan(wanted, session.network))


def assume(x: SecretArray, bounds: tuple[float, float]) -> SecretArray:
    """x with narrower bounds that the caller vouches for; the plan says so, and a checked run verifies it.

    If they are false the result is wrong, but nothing more is revealed. In sessions with bounds="enforced" values are
    clipped to them instead.
    """
    _all_secret((x,), "assume")
    a = x.node
    if a.type.is_bool:
        raise TypeError("bools have no bounds to assume")
    try:
        lo, hi = (Fraction(bound) * (1 << a.type.frac_bits) for bound in bounds)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"bounds are two finite numbers, (lo, hi), not {bounds!r}") from None
    if lo > hi:
        raise PlanError(f"bounds {bounds} are empty")
    return SecretArray._new(x._session, assumed(a, math.floor(lo), math.ceil(hi)))
