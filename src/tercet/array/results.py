"""Running expressions: reveal, persist, explain, bounds that the analyst vouches for, and runs that check those.

In a checked run assumed bounds are compared beside the result, and one bit for each assumption is revealed. A loop is
recorded anew with one more carried value, whether every assumption of its body has held so far. One more bit for each
kind of function whose domain bounds do not prove says whether all elements of the results mean something.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from tercet.array.core import SecretArray, held, secret_array, session_of
from tercet.array.runner import Runner
from tercet.errors import InputError, PlanError
from tercet.plan.plan import OutputKind
from tercet.plan.record import domains, logic, scale, validity
from tercet.plan.record.compile import Wanted, compile_plan, ordered
from tercet.plan.record.counting import all_set
from tercet.plan.record.explain import Explanation
from tercet.plan.record.graph import LoopBody, Recorded
from tercet.plan.table.attributes import LoopCount, Scale, StatedBounds
from tercet.plan.table.reasons import ASSUMED, LOOP
from tercet.plan.types import bool_type
from tercet.ring import RING128

_PRODUCT_BITS = RING128.bits - 4
_EXACT_BITS = 30
_ON_TRUST = (ASSUMED.number, LOOP.number)
"""Reasons that the analyst states, and that nothing proves."""


def _all_secret(values: tuple[Any, ...], what: str) -> None:
    for value in values:
        if isinstance(value, list | tuple) and any(isinstance(part, SecretArray) for part in value):
            raise TypeError(f"{what} takes its arrays one by one: {what}(*arrays), not in a {type(value).__name__}")
        if not isinstance(value, SecretArray):
            own = f"; it has a method {what}() of its own" if hasattr(type(value), what) else ""
            raise TypeError(f"{what} takes secret arrays, not {type(value).__name__}{own}")


def reveal(*arrays: SecretArray, checked: bool | None = None) -> Any:
    """Run one plan for all arrays and make them plain; NumPy, a tuple for several.

    Integers and bools come out exactly; others as the float64 nearest to the exact quotient of the revealed integer.
    Public bools beside secret arrays come out as they are: what `tercet.valid` gives where all is valid. Tensors of
    another library stand for what their `__tercet_array__` gives.
    With `checked` (default: as the session says), bounds given by `tercet.assume` are verified in the same run, and
    that every element means something (`tercet.valid`): InputError names the first assumption that does not hold, or
    the function that was asked for something outside its domain.
    """
    given, arrays = arrays, tuple(map(held, arrays))
    plain_already = [_is_public(array, one) for array, one in zip(arrays, given, strict=True)]
    if arrays and all(plain_already) and any(array is not one for array, one in zip(arrays, given, strict=True)):
        return arrays[0] if len(arrays) == 1 else arrays
    secret = tuple(array for array, known in zip(arrays, plain_already, strict=True) if not known) or arrays
    _all_secret(secret, "reveal")
    session = session_of(*secret)
    parts = [array._parts() for array in secret]
    wanted = [Wanted(part.undivided, OutputKind.REVEAL, divisor=part.divisor) for own in parts for part in own]
    found = iter(_run(session, wanted, checked))
    opened = (array._composed([next(found) for _ in own]) for array, own in zip(secret, parts, strict=True))
    plain = tuple(next(opened) if isinstance(array, SecretArray) else array for array in arrays)
    return plain[0] if len(plain) == 1 else plain


def _is_public(array: object, given: object) -> bool:
    """Whether a value is plain already: bools, or what a value of another library stands for."""
    return isinstance(array, np.ndarray | np.generic) and (array.dtype.kind == "b" or array is not given)


def persist(*arrays: SecretArray, checked: bool | None = None) -> tuple[SecretArray, ...]:
    """Run one plan for all arrays and keep the results as shares at the parties; new arrays on those shares.

    Where they mean something (`tercet.valid`) is not kept with them: asked for it, what was kept of a value that may
    mean nothing somewhere raises PlanError, unless the run was checked.
    """
    return keep(arrays, checked=checked)


def keep(
    arrays: Sequence[SecretArray], handles: Sequence[bytes] = (), *, checked: bool | None = None
) -> tuple[SecretArray, ...]:
    """As `persist`, under given handles; sessions call it, for what is kept by name."""
    arrays = tuple(map(held, arrays))
    _all_secret(arrays, "persist")
    session = session_of(*arrays)
    parts = [array._parts() for array in arrays]
    if handles and any(len(own) > 1 for own in parts):
        raise TypeError("what is kept by name is one array each: keep x.fillna(value) and x.notna() apart")
    every = [part for own in parts for part in own]
    wanted = [
        Wanted(part.undivided, OutputKind.PERSIST, handle)
        for part, handle in zip(every, handles or [b""] * len(every), strict=True)
    ]
    results = _run(session, wanted, checked)
    if not (session.checked if checked is None else checked):
        session.graph.meaning_lost.update(
            node for part, node in zip(every, results, strict=True) if not _means_something(part.undivided)
        )
    kept = (secret_array(session, node, part.divisor) for part, node in zip(every, results, strict=True))
    return tuple(array._rebuilt([next(kept) for _ in own]) for array, own in zip(arrays, parts, strict=True))


def _means_something(node: Recorded) -> bool:
    """Whether all elements do, by bounds."""
    try:
        return validity.meaning(node) is None
    except PlanError:
        return False


def _run(session: Runner, wanted: Sequence[Wanted], checked: bool | None) -> list[Any]:
    """The results of one plan. InputError naming the assumption that does not hold, if there is one."""
    asked, checks = _with_checks(wanted, session.checked if checked is None else checked)
    results = session.run([*asked, *(Wanted(check.node, OutputKind.REVEAL) for check in checks)])
    for check, holds in zip(checks, results[len(asked) :], strict=True):
        if not bool(np.all(holds)):
            raise InputError(check.error, hint=check.hint)
    return results[: len(asked)]


def explain(*arrays: SecretArray) -> Explanation:
    """What revealing these arrays in one plan costs, and what becomes plain to whom; nothing runs."""
    arrays = tuple(map(held, arrays))
    _all_secret(arrays, "explain")
    session = session_of(*arrays)
    wanted = [Wanted(part.undivided, OutputKind.REVEAL) for array in arrays for part in array._parts()]
    wanted, checks = _with_checks(wanted, session.checked)
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
    return x.like(scale.bounded(a, math.floor(lo), math.ceil(hi), ASSUMED))


# ---- checks of assumptions ----


@dataclass(frozen=True)
class _Check:
    """A secret bool that says whether an assumption holds for every element."""

    node: Recorded
    what: str
    hint: str = "assume wider bounds, or declare them at the input"

    @property
    def error(self) -> str:
        return f"an assumption does not hold: {self.what}"


@dataclass(frozen=True)
class _DomainCheck(_Check):
    """A secret bool that says whether what functions of one kind give means something in all results."""

    hint: str = "tc.valid(y) says which; tc.where chooses others there, and tc.masked_invalid(y) leaves them out"

    @property
    def error(self) -> str:
        return f"a result has elements that mean nothing: {self.what}"


def _with_checks(wanted: Sequence[Wanted], checked: bool) -> tuple[list[Wanted], list[_Check]]:
    """The wanted values, and the checks of every assumption that they rest on."""
    if not checked:
        return list(wanted), []
    replaced, checks = _checked([want.node for want in wanted], ())
    asked = [replace(want, node=replaced.get(want.node.serial, want.node)) for want in wanted]
    return asked, [*checks, *_domain_checks([want.node for want in asked])]


def _domain_checks(nodes: Sequence[Recorded]) -> list[_Check]:
    """For each kind of function that may be asked for something outside its domain, whether the results mean something
    as far as it is concerned."""
    checks: list[_Check] = []
    for takes, operations in domains.open_domains(nodes).items():
        conditions = [validity.meaning(node, operations) for node in nodes]
        scalars = [all_set(one, tuple(range(len(one.type.shape)))) for one in conditions if one is not None]
        if scalars:
            checks.append(_DomainCheck(functools.reduce(logic.logical_and, scalars), takes))
    return checks


def _checked(roots: Sequence[Recorded], leaves: Sequence[Recorded]) -> tuple[Mapping[int, Recorded], list[_Check]]:
    """Nodes recorded anew where a loop below them is, and the checks of this floor of the nesting."""
    replaced: dict[int, Recorded] = {}
    loops: dict[int, tuple[Recorded, ...]] = {}
    checks: list[_Check] = []
    fixed = {leaf.serial for leaf in leaves}
    for node in ordered(roots, leaves):
        if node.serial in fixed:
            continue
        inputs = tuple(replaced.get(value.serial, value) for value in node.inputs)
        if node.body is not None:
            found = _checked_loop(node, inputs, checks)
            if found is None and any(new is not old for new, old in zip(inputs, node.inputs, strict=True)):
                found = node.graph.loop(node.attrs.of(LoopCount).count, inputs, node.body)
            if found is not None:
                loops[node.serial] = found
                replaced[node.serial] = found[0]
            continue
        if node.place:
            loop = loops.get(node.inputs[0].serial)
            if loop is not None:
                replaced[node.serial] = loop[node.place]
            continue
        here = node
        if any(new is not old for new, old in zip(inputs, node.inputs, strict=True)):
            here = node.graph.node(node.operation.name, inputs, node.attrs)
            replaced[node.serial] = here
        stated = node.attrs
        if isinstance(stated, StatedBounds) and stated.reason in _ON_TRUST and node.type.size:
            within = _stated_within(here.inputs, stated.lo, stated.hi)
            if within is not None:
                checks.append(_Check(within, f"that {node.type}"))
    return replaced, checks


def _checked_loop(node: Recorded, inputs: tuple[Recorded, ...], checks: list[_Check]) -> tuple[Recorded, ...] | None:
    """The loop with a carried bool beside it; None if its body assumes nothing."""
    body = node.body
    assert body is not None
    count, carried = node.attrs.of(LoopCount).count, len(body.carried)
    replaced, inner = _checked(body.results, body.leaves)
    if not inner:
        return None
    graph = node.graph
    so_far = graph.placeholder(bool_type(()))
    holds = so_far
    for check in inner:
        holds = logic.logical_and(holds, check.node)
    results = (*(replaced.get(value.serial, value) for value in body.results), holds)
    like = next((value for value in inputs if value.type.is_bool), inputs[0])
    true = logic.truth(like, ())
    after = LoopBody((*body.carried, so_far), body.captured, results)
    ended = graph.loop(count, (*inputs[:carried], true, *inputs[carried:]), after)
    what = " and ".join(dict.fromkeys(check.what for check in inner))
    checks.append(_Check(ended[carried], f"{what}, in one of {count} passes of a loop"))
    return ended


def _stated_within(inputs: Sequence[Recorded], lo: int, hi: int) -> Recorded | None:
    """Whether a value, or the product of two, lies within bounds; None if it does by the types of the factors."""
    return _within(inputs[0], lo, hi) if len(inputs) == 1 else _product_within(inputs[0], inputs[1], lo, hi)


def _within(x: Recorded, lo: int, hi: int) -> Recorded:
    """Whether lo <= x <= hi for every stored integer."""
    stored = x.graph.node("rename", (x,), Scale(0, 0))
    parts = []
    if lo > x.type.lo:
        parts.append(logic.logical_not(logic.less(stored, np.asarray(lo, dtype=object))))
    if hi < x.type.hi:
        parts.append(logic.logical_not(logic.less(np.asarray(hi, dtype=object), stored)))
    both = parts[0] if len(parts) == 1 else logic.logical_and(*parts)
    return logic.reduce_and(both, tuple(range(len(x.type.shape)))) if x.type.shape else both


def _product_within(a: Recorded, b: Recorded, lo: int, hi: int) -> Recorded | None:
    """Whether lo <= a b <= hi for every pair of stored integers, even where a b modulo the ring would not tell.

    None if the bounds of the factors say so already.

    Factors whose product may not fit lose low bits first. What that may hide is taken off the bounds, so that a product
    outside is always found; one that lies inside within that little (a relative 2^-30 or less) of a bound fails too.
    """
    bits = [x.type.magnitude.bit_length() for x in (a, b)]
    excess = max(0, sum(bits) - _PRODUCT_BITS)
    first = min(excess, max(0, bits[0] - _PRODUCT_BITS // 2))
    dropped = (first, excess - first)
    # (x +- 1) 2^s (y +- 1) 2^t
    hidden = ((1 << bits[0] + dropped[1]) + (1 << bits[1] + dropped[0]) + (1 << excess)) if excess else 0
    if hidden > max(-lo, hi) >> _EXACT_BITS:
        raise PlanError(
            f"an assumption cannot be verified: its factors may have {bits[0]} and {bits[1]} bits",
            hint="declare narrower bounds for the inputs, or run unchecked",
        )
    factors = []
    for x, shift in zip((a, b), dropped, strict=True):
        wide = scale.renamed(scale.in_ring(x, RING128.bits), shift, 0)
        factors.append(scale.rescaled(wide, shift) if shift else wide)
    product = a.graph.node("multiply", tuple(factors))
    least, most = -((-lo - hidden) >> excess), (hi - hidden) >> excess
    if least <= product.type.lo and product.type.hi <= most:
        return None
    return _within(product, least, most)
