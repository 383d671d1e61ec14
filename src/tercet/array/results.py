"""Running expressions: reveal, persist, explain, and bounds that the analyst vouches for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from tercet.array.assumptions import raise_failed, with_checks
from tercet.array.secret import SecretArray, session_of
from tercet.errors import PlanError
from tercet.plan.compile import Wanted, compile_plan
from tercet.plan.explain import Explanation
from tercet.plan.plan import OutputKind
from tercet.plan.scale import assumed


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
    wanted = [Wanted(array._plain()._node, OutputKind.REVEAL, divisor=array._divisor) for array in arrays]
    wanted, checks = with_checks(wanted, session.checked if checked is None else checked)
    results = session.run([*wanted, *(Wanted(check.node, OutputKind.REVEAL) for check in checks)])
    raise_failed(checks, results[len(arrays) :])
    plain = tuple(array._decoded(result) for array, result in zip(arrays, results, strict=False))
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
    wanted = [
        Wanted(array._plain()._node, OutputKind.PERSIST, handle)
        for array, handle in zip(arrays, handles or [b""] * len(arrays), strict=True)
    ]
    wanted, checks = with_checks(wanted, session.checked if checked is None else checked)
    results = session.run([*wanted, *(Wanted(check.node, OutputKind.REVEAL) for check in checks)])
    raise_failed(checks, results[len(arrays) :])
    return tuple(
        array._again(SecretArray._new(session, result, array._divisor))
        for array, result in zip(arrays, results, strict=False)
    )


def explain(*arrays: SecretArray) -> Explanation:
    """What revealing these arrays in one plan costs, and what becomes plain to whom; nothing runs."""
    _all_secret(arrays, "explain")
    session = session_of(*arrays)
    wanted = [Wanted(array._plain()._node, OutputKind.REVEAL) for array in arrays]
    wanted, checks = with_checks(wanted, session.checked)
    wanted += [Wanted(check.node, OutputKind.REVEAL) for check in checks]
    return session.explain(compile_plan(wanted, session.network))


def assume(x: SecretArray, bounds: tuple[float, float]) -> SecretArray:
    """x with narrower bounds that the caller vouches for; the plan says so, and a checked run verifies it."""
    a = x.node
    if a.type.is_bool:
        raise TypeError("bools have no bounds to assume")
    lo, hi = (Fraction(bound) * (1 << a.type.frac_bits) for bound in bounds)
    if lo > hi:
        raise PlanError(f"bounds {bounds} are empty")
    return SecretArray._new(x._session, assumed(a, math.floor(lo), math.ceil(hi)))
