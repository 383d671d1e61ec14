"""Arrays some of whose values are missing: beside each value stands a secret bit that says whether it is there."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from tercet.array import (
    angles,
    counting,
    elementwise,
    entropies,
    functions,
    gamma,
    manipulation,
    nn,
    special,
    statistics,
)
from tercet.array.core import SecretArray, operand
from tercet.array.creation import as_type
from tercet.array.exact import Ratio, Root
from tercet.array.opaque import OpaqueArray
from tercet.array.rounding import integers_of
from tercet.plan.record import build, logic, validity
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import public_array
from tercet.plan.record.scale import renamed
from tercet.plan.table.operation import broadcast_shapes

Binary = Callable[[Any, Any], Any]


def with_where(method: Callable[..., SecretArray]) -> Callable[..., SecretArray]:
    """A reduction that also takes `where`: bools that choose among the values that are there."""

    @functools.wraps(method)
    def call(self: Any, axis: Any = None, *, where: Any = True, **options: Any) -> SecretArray:
        return method(self if where is True else over_chosen(self, where), axis, **options)

    return call


class NullableArray(OpaqueArray):
    """Secret values, and where there are any.

    Sums, counts, means, variances, least and greatest values skip what is missing, as in pandas and SQL; arithmetic
    with a missing value, and a function of it, gives a missing one; a comparison with one is False (also by !=).
    `isna`, `notna` and `fillna` give plain secret arrays. `& | ~ ^` of nullable bools are those of three-valued logic,
    as in SQL; as a condition what is neither true nor false counts as False. Revealed, it is a `numpy.ma.MaskedArray`;
    a single value that is missing is NaN, NaT or None. Sorts put what is missing last, in either direction; ranks,
    quantiles, modes, distinct elements, histograms, running and grouped values pass over it. Everything else is
    refused: fill what is missing first.
    """

    __slots__ = ("_valid",)
    _precedence = 2
    __hash__ = None  # type: ignore[assignment]

    _valid: SecretArray

    @classmethod
    def of_values(cls, values: SecretArray, valid: SecretArray) -> Self:
        """Values, and the secret bools that say where they are; what stands where they are not never shows."""
        inner, there = split(values)
        if there is not None:
            values, valid = inner, there & valid
        if values.shape != valid.shape:
            valid = manipulation.broadcast_to(valid, values.shape)
        self = cls.of(values)
        self._valid = valid
        return self

    @property
    def values(self) -> SecretArray:
        """The values alone; where they are missing, anything. For code that looks at `notna` as well."""
        return self._numbers

    @property
    def codes(self) -> NullableArray:
        """Of categories: their places as declared, and missing where these are."""
        places: SecretArray = getattr(self._numbers, "codes")  # noqa: B009  only columns of categories have them
        return NullableArray.of_values(places, self._valid)

    def isna(self) -> SecretArray:
        """Where a value is missing, as secret bools."""
        return ~self._valid

    def notna(self) -> SecretArray:
        """Where there is a value, as secret bools."""
        return self._valid

    def fillna(self, value: Any) -> SecretArray:
        """The values, and this one (public or secret) where there is none."""
        if isinstance(value, NullableArray):
            filled = elementwise.where(self._valid, self._numbers, value._numbers)
            return NullableArray.of_values(filled, self._valid | value._valid)
        return elementwise.where(self._valid, self._numbers, value)

    def dropna(self) -> NoReturn:
        """Refused: how many values are left would show."""
        raise TypeError(
            "how many values are left without the missing ones is secret; sums, means and the like skip them anyway, "
            "fillna(value) fills them, and notna() says where they are not"
        )

    def isin(self, values: Sequence[Any]) -> SecretArray:
        """Where it is one of these; never where it is missing."""
        if isinstance(values, str) or not len(values):
            raise TypeError("isin takes a list of values, such as [1, 2]")
        found: SecretArray = self == values[0]
        for value in values[1:]:
            found = found | (self == value)
        return found

    # -- as arrays with a meaning do

    def _meaning(self) -> SecretArray | None:
        # what a missing value was computed from does not matter
        found, there = self._numbers._meaning(), self._valid._meaning()
        node = None if found is None else validity.wherever(self._valid.node, found.undivided)
        return both(None if node is None else self.like(node), there)

    def _again(self, numbers: SecretArray) -> SecretArray:
        return NullableArray.of_values(numbers, self._valid)

    def _moved(self, move: Callable[[Recorded], Recorded]) -> SecretArray:
        return NullableArray.of_values(self._numbers._moved(move), self._valid._moved(move))

    def _refusal(self) -> str:
        return (
            "some of these values are missing, and this is not computed with them: fill them, as in x.fillna(0), or "
            "use what passes over them: sum, count, mean, var, std, sorts, ranks, quantiles, running and grouped "
            "values, histograms, isna, comparisons, arithmetic, functions of single numbers and tc.where; "
            "models take columns without missing values (tercet upload --missing drop leaves such rows out)"
        )

    def _plain(self) -> SecretArray:
        raise TypeError(self._refusal())

    def _parts(self) -> tuple[SecretArray, ...]:
        # what a missing value was computed from does not show
        return (*(kept(part, self._valid) for part in self._numbers._parts()), self._valid)

    def _composed(self, found: Sequence[NDArray[Any]]) -> Any:
        values = self._numbers._composed(found[:-1])
        valid = np.asarray(found[-1], np.bool_)
        if valid.ndim:
            return np.ma.MaskedArray(values, mask=~valid)
        return values if valid else absent(values)

    def _rebuilt(self, parts: Sequence[SecretArray]) -> SecretArray:
        return NullableArray.of_values(self._numbers._rebuilt(parts[:-1]), parts[-1])

    def _ranked(self, *, ordered: bool = True) -> tuple[SecretArray, SecretArray | None]:
        numbers = self._numbers._ranked(ordered=ordered)[0]
        if numbers._meaning() is not None:
            numbers = kept(numbers, self._valid)  # what is mixed with others means something where it is missing, too
        return numbers, self._valid

    def _elements(self, numbers: SecretArray, there: SecretArray | None = None) -> SecretArray:
        return self._with_gaps(self._numbers._elements(numbers), there)

    def _with_gaps(self, numbers: SecretArray, there: SecretArray | None) -> SecretArray:
        return maybe(numbers, there)

    def _coded(self, value: Any) -> Any:
        return self._numbers._coded(value)

    def _named(self, numbers: NDArray[Any]) -> NDArray[Any]:
        return self._numbers._named(numbers)

    def _truth(self) -> SecretArray:
        return self._numbers & self._valid if self._is_bool else self

    @classmethod
    def _own_way(cls, function: Any) -> Callable[..., SecretArray | None] | None:
        return _OWN_WAYS.get(function)

    def _takes(self, value: Any) -> bool:
        return self._numbers._takes(value)

    @property
    def _is_bool(self) -> bool:
        return not isinstance(self._numbers, OpaqueArray) and self._type.is_bool

    def __repr__(self) -> str:
        return f"NullableArray({self._numbers!r})"

    # -- over all rows, without what is missing

    @with_where
    def count(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        """How many values there are."""
        return statistics.sum(self._valid, axis=axis, keepdims=keepdims)

    @with_where
    def sum(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        """The sum of the values that are there; 0 if there are none."""
        return statistics.sum(self._zeroed(), axis=axis, keepdims=keepdims)

    @with_where
    def mean(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        """The mean of the values that are there: sum and count are revealed; NaN if there are none."""
        numbers = self._measured()
        total = statistics.sum(kept(numbers, self._valid), axis=axis, keepdims=keepdims)
        return self._meant(Ratio.of_terms(total, self.count(axis, keepdims=keepdims)))

    @with_where
    def var(self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> SecretArray:
        """The variance of the values that are there; NaN if there are not more than `ddof`."""
        numbers, count = kept(self._measured(), self._valid), self.count(axis, keepdims=keepdims)
        squares = statistics.sum(elementwise.square(numbers), axis=axis, keepdims=keepdims)
        total = statistics.sum(numbers, axis=axis, keepdims=keepdims)
        return Ratio.of_terms(count * squares - total * total, count, ddof, twice=True)

    @with_where
    def std(self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> SecretArray:
        """The standard deviation of the values that are there; NaN if there are not more than `ddof`."""
        return Root.of(self.var(axis, ddof=ddof, keepdims=keepdims))

    @with_where
    def any(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        """Whether one value is true at least."""
        _bools(self)
        return statistics.any(self._truth(), axis=axis, keepdims=keepdims)

    @with_where
    def all(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        """Whether no value is false."""
        _bools(self)
        return statistics.all(self._numbers | ~self._valid, axis=axis, keepdims=keepdims)

    def _zeroed(self) -> SecretArray:
        if isinstance(self._numbers, OpaqueArray):
            raise TypeError(self._numbers._refusal())
        return kept(self._numbers, self._valid)

    def _measured(self) -> SecretArray:
        """The numbers of what can be averaged and ordered: numbers, bools, dates."""
        if isinstance(self._numbers, OpaqueArray) and not self._numbers._ordered:
            raise TypeError(self._numbers._refusal())
        return self._numbers._plain()

    def _meant(self, numbers: SecretArray) -> SecretArray:
        """As dates, if these are."""
        return self._numbers._again(numbers) if isinstance(self._numbers, OpaqueArray) else numbers


def over_chosen(x: Any, where: Any) -> Any:
    """x with what is not chosen missing; x itself where all of it is."""
    if not isinstance(x, SecretArray):
        raise TypeError("a public array is reduced over elements that are chosen in public: reveal() the bools first")
    if not isinstance(where, SecretArray):
        public = public_array(where)
        if public.dtype.kind != "b":
            raise TypeError("where takes bools; compare first, as in x.sum(where=x > 0)")
        if public.all():
            return x
        there = logic.truth(x._parts()[0].undivided, broadcast_shapes(x.shape, public.shape))
        return _chosen(x, x.like(logic.logical_and(there, public)))
    bools = where._truth()
    if not bools.dtype.name == "bool":
        raise TypeError("where takes bools; compare first, as in x.sum(where=x > 0)")
    return _chosen(x, bools)


def _chosen(x: SecretArray, bools: SecretArray) -> NullableArray:
    if broadcast_shapes(x.shape, bools.shape) != x.shape:
        raise ValueError(f"bools of shape {bools.shape} do not choose among elements of shape {x.shape}")
    return NullableArray.of_values(x, bools)


def split(value: Any) -> tuple[Any, SecretArray | None]:
    """Values, and where they are; None if they are everywhere."""
    return (value._numbers, value._valid) if isinstance(value, NullableArray) else (value, None)


def both(there: SecretArray | None, here: SecretArray | None) -> SecretArray | None:
    """Where two values are; None for everywhere."""
    return here if there is None else there if here is None else there & here


def maybe(values: SecretArray, valid: SecretArray | None) -> SecretArray:
    """Values that are there where `valid` says; everywhere, if it is None."""
    return values if valid is None else NullableArray.of_values(values, valid)


def compared(compare: Binary, a: Any, b: Any) -> SecretArray:
    """A comparison in three-valued logic: unknown where one of the two is missing."""
    (first, there), (second, here) = split(a), split(b)
    return maybe(compare(first, second), both(there, here))


def truths(value: Any) -> tuple[Any, Any]:
    """Where a bool is true, and where it is false; neither where it is missing."""
    values, valid = split(value)
    _bools(values)
    if valid is None:
        return values, ~values
    return values & valid, ~values & valid


def of_truths(true: SecretArray, false: SecretArray) -> SecretArray:
    """A bool that is known where it is true or false."""
    return NullableArray.of_values(true, true ^ false)  # never both


def absent(like: Any) -> Any:
    """What stands for one value that is missing."""
    if isinstance(like, np.datetime64):
        return np.datetime64("NaT")
    return math.nan if isinstance(like, int | float | Decimal | np.number) and not isinstance(like, bool) else None


def kept(numbers: SecretArray, valid: SecretArray) -> SecretArray:
    """The same numbers at the same scale, and 0 where there are none."""
    if numbers._type.is_bool:
        return numbers & valid
    given, bit = numbers.undivided, operand(valid)
    node = build.multiply(given, bit)
    if node.type.frac_bits != given.type.frac_bits:
        # rescaled before, as its bounds are wide
        node = renamed(build.multiply(integers_of(given), bit), given.type.frac_bits, given.type.nominal)
    return numbers._again(numbers.like(node, numbers.divisor))


def _bools(*values: Any) -> None:
    for value in values:
        inner, _ = split(value)
        if isinstance(inner, SecretArray):
            fits = not isinstance(inner, OpaqueArray) and inner._type.is_bool
        else:
            fits = public_array(inner).dtype.kind == "b"
        if not fits:
            raise TypeError("& | ^ ~ take bools; compare first, as in (x > 0) & (y < 1)")


# ---- what is done in place of functions of the namespace ----


def _lifted(function: Binary, a: Any, b: Any) -> SecretArray:
    """What is computed with a missing value is missing."""
    (first, there), (second, here) = split(a), split(b)
    return maybe(function(first, second), both(there, here))


def _known_comparison(function: Binary, a: Any, b: Any) -> SecretArray:
    """False where a value is missing."""
    return compared(function, a, b)._truth()


def _and(a: Any, b: Any) -> SecretArray:
    (true, false), (also, nor) = truths(a), truths(b)
    return of_truths(true & also, false | nor)


def _or(a: Any, b: Any) -> SecretArray:
    (true, false), (also, nor) = truths(a), truths(b)
    return of_truths(true | also, false & nor)


def _xor(a: Any, b: Any) -> SecretArray:
    _bools(a, b)
    return _lifted(operator.xor, a, b)


def _not(x: NullableArray) -> SecretArray:
    _bools(x)
    return x._again(~x._numbers)


def _of_numbers(function: Callable[..., SecretArray], x: Any, /, *given: Any, **options: Any) -> SecretArray | None:
    """A function of single numbers is missing where they are."""
    if not isinstance(x, NullableArray):
        return None
    return NullableArray.of_values(function(x._numbers, *given, **options), x._valid)


def _where(condition: Any, x1: Any, x2: Any) -> SecretArray | None:
    if isinstance(condition, NullableArray):
        if not condition._is_bool:
            return None
        condition = condition._truth()
    (first, there), (second, here) = split(x1), split(x2)
    chosen = elementwise.where(condition, first, second)
    if there is None and here is None:
        return chosen
    if there is None:
        # known where the condition holds, or where the other is
        assert here is not None
        return NullableArray.of_values(chosen, here | condition)
    if here is None:
        return NullableArray.of_values(chosen, ~(~there & condition))
    return NullableArray.of_values(chosen, elementwise.where(condition, there, here))


def _is_in(x1: Any, x2: Any, /, *, invert: bool = False) -> SecretArray:
    (first, there), (second, here) = split(x1), split(x2)
    if here is None:
        found = counting.isin(first, second)
    else:
        pairs = elementwise.equal(first[..., None], second.reshape(-1)) & here.reshape(-1)
        found = statistics.any(pairs, axis=-1)
    found = found if there is None else found & there
    return ~found if invert else found


def _concat(arrays: Sequence[Any], *, axis: int | None = 0) -> SecretArray:
    pairs = [split(array) for array in arrays]
    values = manipulation.concat([inner for inner, _ in pairs], axis=axis)
    known = [np.ones(np.shape(inner), np.bool_) if there is None else there for inner, there in pairs]
    return NullableArray.of_values(values, manipulation.concat(known, axis=axis))


def _skipping(name: str) -> Callable[..., SecretArray]:
    """A reduction that is a method: what is missing counts for nothing."""

    def reduce(x: NullableArray, /, *, dtype: Any = None, correction: float | None = None, **options: Any) -> Any:
        if correction is not None:
            options["ddof"] = correction
        found = getattr(x, name)(**options)
        return found if dtype is None else as_type(found, dtype)

    return reduce


def _accumulated(function: Callable[..., SecretArray], neutral: int) -> Callable[..., SecretArray]:
    """A running result, which passes over what is missing and is missing there, as in pandas."""

    def run(x: NullableArray, /, *, include_initial: bool = False, **options: Any) -> SecretArray:
        if include_initial:
            raise TypeError(
                "include_initial is not offered for arrays with missing values: fill them, as in x.fillna(0)"
            )
        if isinstance(x._numbers, OpaqueArray):
            raise TypeError(x._numbers._refusal())
        return NullableArray.of_values(function(x.fillna(neutral), **options), x._valid)

    return run


_ARITHMETIC = (
    *(elementwise.add, elementwise.subtract, elementwise.multiply, elementwise.divide),
    *(elementwise.floor_divide, elementwise.remainder, elementwise.pow, elementwise.maximum, elementwise.minimum),
)
_OF_ONE = (
    *(elementwise.negative, elementwise.abs, elementwise.sign, elementwise.square),
    *(elementwise.floor, elementwise.ceil, elementwise.trunc, elementwise.round),
    *(functions.exp, functions.exp2, functions.expm1, functions.log, functions.log1p, functions.log2, functions.log10),
    *(functions.sqrt, functions.rsqrt, functions.cbrt, functions.sin, functions.cos, functions.tanh),
    *(functions.acosh, functions.asinh, functions.atanh),
    *(angles.tan, angles.sinh, angles.cosh, angles.asin, angles.acos, angles.atan, angles.sinc),
    *(special.exp10, special.expit, special.log_expit, special.logit, special.softplus, special.erf, special.erfc),
    *(special.ndtr, special.erfinv, special.ndtri, special.log_ndtr, gamma.gammaln, gamma.digamma, entropies.entr),
    *(nn.relu, nn.silu, nn.gelu, nn.leaky_relu, nn.elu),
)
_OF_TWO = (
    *(angles.atan2, functions.hypot, functions.logaddexp, functions.logaddexp2, elementwise.float_power),
    *(entropies.xlogy, entropies.xlog1py, entropies.rel_entr, entropies.kl_div),
)
_COMPARISONS = (
    *(elementwise.less, elementwise.less_equal, elementwise.greater, elementwise.greater_equal),
    *(elementwise.equal, elementwise.not_equal),
)
_OWN_WAYS: dict[Any, Callable[..., SecretArray | None]] = {
    **{function: partial(_lifted, function) for function in (*_ARITHMETIC, *_OF_TWO)},
    **{function: partial(_known_comparison, function) for function in _COMPARISONS},
    **{function: partial(_of_numbers, function) for function in _OF_ONE},
    elementwise.positive: lambda x: x,
    **dict.fromkeys((elementwise.logical_and, elementwise.bitwise_and), _and),
    **dict.fromkeys((elementwise.logical_or, elementwise.bitwise_or), _or),
    **dict.fromkeys((elementwise.logical_xor, elementwise.bitwise_xor), _xor),
    **dict.fromkeys((elementwise.logical_not, elementwise.bitwise_invert), _not),
    elementwise.where: _where,
    counting.isin: _is_in,
    manipulation.concat: _concat,
    **{
        function: _skipping(function.__name__)
        for function in (
            *(statistics.sum, statistics.mean, statistics.var, statistics.std, statistics.any, statistics.all),
        )
    },
    statistics.cumulative_sum: _accumulated(statistics.cumulative_sum, 0),
    counting.cumulative_prod: _accumulated(counting.cumulative_prod, 1),
}
