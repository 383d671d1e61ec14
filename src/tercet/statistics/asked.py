"""How a statistic is asked: which numbers become plain, in one plan, and how the result is made of them in plain.

A function of `tercet.stats` says what it wants to see (`Pending`) and how the result object follows from that; whoever
calls it gets the result. `function.pending(...)` stops before anything runs: `explain()` then says what it would cost
and whether the nodes allow it, and `together` asks several in one plan.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from tercet.array import manipulation, results, statistics
from tercet.array.core import SecretArray, session_of
from tercet.array.nullable import kept
from tercet.errors import InputError
from tercet.plan.record.explain import Explanation
from tercet.statistics.cohorts import SmallGroup, publicly_shown, shown_groups

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Disclosed:
    """What became plain for one result: names with how many numbers each stands for, and over how many rows."""

    numbers: Mapping[str, int]
    rows: int

    def __str__(self) -> str:
        if not self.numbers:
            return f"nothing of {self.rows:,} rows"
        parts = [name if count == 1 else f"{name} ({count:,})" for name, count in self.numbers.items()]
        return f"{', '.join(parts)} of {self.rows:,} rows"


_REFUSED = "a group that this rests on has fewer rows than the policies demand (cohort): nothing is shown"
_WIDER = "join small groups, or choose a wider condition"


@dataclass(frozen=True)
class Pending(Generic[T]):
    """A statistic that has not run: the arrays to be revealed by name, and how they become the result.

    `arrays`: secret arrays become plain; anything else is public and stays as it is. `finish` gets them by the same
    names, and `Disclosed`. `rows`: how many rows each of them rests on. `sizes`: numbers of rows of the groups that the
    result rests on, secret or public; where the session has a cohort and one of them (or `rows`) is smaller, nothing is
    shown: all arrays are multiplied by 0 under sharing, and the caller gets `SmallGroup`. Where public numbers say so,
    nothing runs.
    """

    arrays: Mapping[str, Any]
    finish: Callable[[Mapping[str, Any], Disclosed], T]
    rows: int
    sizes: tuple[Any, ...] = ()
    apart: bool = False
    """Whether each of k groups is hidden by itself: `sizes` is one array (k,), and arrays are (k, ...). Of hidden ones
    everything is 0, also the count; where the groups that are hidden have few rows together, one more is. `finish` then
    finds "shown" among the plain arrays."""

    @property
    def secret(self) -> list[str]:
        """Names of what would become plain."""
        return [name for name, array in self.arrays.items() if isinstance(array, SecretArray)]

    def wanted(self) -> list[SecretArray]:
        """What is revealed: the secret arrays in their order and, where a cohort has to be reached, whether it is."""
        found = [array for array in self.arrays.values() if isinstance(array, SecretArray)]
        public = self._publicly_shown(found)
        if public is not None:
            found = [array * public.reshape(public.shape + (1,) * (array.ndim - 1)) for array in found]
        shown = self._shown(found)
        if shown is None:
            return found
        return [*(_only_if(shown, array) for array in found), shown]

    def _shown(self, found: list[SecretArray]) -> SecretArray | None:
        sizes = [size for size in self.sizes if isinstance(size, SecretArray)]
        cohort = session_of(*found).cohort if found else 0
        if not cohort or not sizes:
            return None
        flat = manipulation.concat([size.reshape(-1) for size in sizes])
        return shown_groups(flat, cohort, self.rows) if self.apart else statistics.all(flat >= cohort)

    def _publicly_shown(self, found: Sequence[SecretArray]) -> NDArray[np.bool_] | None:
        """Of groups that stand apart and whose sizes are public, which ones are shown; None where nobody asks. Raises
        SmallGroup where public numbers of rows alone forbid the whole."""
        cohort = session_of(*found).cohort if found else 0
        if not cohort:
            return None
        sizes = [np.atleast_1d(size) for size in self.sizes if not isinstance(size, SecretArray)]
        if self.apart and sizes:
            shown = publicly_shown(np.concatenate(sizes), cohort, self.rows)
            if shown.any():
                return shown
        elif self.rows >= cohort and all((size >= cohort).all() for size in sizes):
            return None
        raise SmallGroup(_REFUSED, hint=_WIDER)

    def result(self, plain: list[Any]) -> T:
        """The result, from what `wanted` became. Raises SmallGroup where it is not shown."""
        names = self.secret
        if len(plain) > len(names) and not (np.any(plain[-1]) if self.apart else plain[-1]):
            raise SmallGroup(_REFUSED, hint=_WIDER)
        by_name = dict(zip(names, plain, strict=False))
        revealed = Disclosed({name: int(np.size(by_name[name])) for name in names}, self.rows)
        found = {name: by_name.get(name, array) for name, array in self.arrays.items()}
        if len(plain) > len(names):
            found["shown"] = plain[-1]
        elif self.apart:
            public = self._publicly_shown([self.arrays[name] for name in names])
            if public is not None:
                found = {name: _public_only(public, array) for name, array in found.items()} | {"shown": public}
        return self.finish(found, revealed)

    def reveal(self) -> T:
        """Run one plan, and give the result."""
        return together(self)[0]  # type: ignore[no-any-return]

    def explain(self) -> Explanation:
        """What that would cost and reveal, and what the nodes say; nothing runs. InputError if nothing is secret."""
        wanted = self.wanted()
        if not wanted:
            raise InputError("nothing of this is secret: there is nothing to explain")
        return results.explain(*wanted)


def _public_only(shown: NDArray[np.bool_], array: Any) -> Any:
    """Public counts of groups, 0 for those that are hidden, as secret ones are."""
    counts = np.asarray(array)
    return np.where(shown, counts, 0) if counts.shape == shown.shape else array


def _only_if(shown: SecretArray, array: SecretArray) -> SecretArray:
    def cut(part: SecretArray) -> SecretArray:
        there = shown.reshape(shown.shape + (1,) * (part.ndim - shown.ndim)) if part.ndim > shown.ndim else shown
        return kept(part, there)

    return array._rebuilt([cut(part) for part in array._parts()])


def together(*pending: Pending[Any]) -> tuple[Any, ...]:
    """The results of several statistics, of one plan: `together(ttest_ind.pending(a, b), mannwhitneyu.pending(a, b))`.

    One job, what they share is computed once. Raises SmallGroup if one of them is not shown.
    """
    for one in pending:
        if not isinstance(one, Pending):
            raise TypeError(f"together takes what function.pending(...) gives, not {type(one).__name__}")
    wanted = [one.wanted() for one in pending]
    every = [array for arrays in wanted for array in arrays]
    found: Any = results.reveal(*every) if every else ()
    plain = iter([found] if len(every) == 1 else found)
    return tuple(one.result([next(plain) for _ in arrays]) for one, arrays in zip(pending, wanted, strict=True))


class Statistic(Protocol[P, T]):
    """A function of `tercet.stats`: called, it reveals and gives the result; `pending` gives what it would reveal."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T: ...

    def pending(self, *args: P.args, **kwargs: P.kwargs) -> Pending[T]:
        """The same, before anything runs."""


def statistic(function: Callable[P, Pending[T]]) -> Statistic[P, T]:
    """Make a function that gives a `Pending` one that gives the result. Of NumPy arrays nothing is secret: the same
    code ends in plain at once, and is the oracle."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs).reveal()

    call.pending = function  # type: ignore[attr-defined]
    # what it gives is the result and not the pending statistic
    given = str(function.__annotations__.get("return", ""))
    result = given.removeprefix("Pending[").removesuffix("]") if given.startswith("Pending[") else given
    call.__signature__ = inspect.signature(function).replace(return_annotation=result)  # type: ignore[attr-defined]
    return cast("Statistic[P, T]", call)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What all results have: what became plain for them."""

    revealed: Disclosed | None = field(default=None, compare=False, repr=False)
    """Names, and over how many rows; None for what is computed in plain."""


@dataclass(frozen=True, kw_only=True)
class SignificanceResult(Result):
    """A test: unpacks to statistic and p-value, as SciPy's results do."""

    statistic: float
    pvalue: float

    def __iter__(self) -> Iterator[float]:
        return iter((self.statistic, self.pvalue))
