"""Reductions over some elements: NumPy's `where=`, by secret or public bools."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from tercet.array import statistics
from tercet.array.dispatch import array_function
from tercet.array.nullable import over_chosen

Reduction = Callable[..., Any]
_TEXT = """With `where`, secret or public bools, over the elements where they hold only, as of an array whose other
    elements are missing (`NullableArray`): the mean is the sum over the secret number of those, both of which are
    revealed, and an extreme of none is missing."""


def _over_chosen(function: Reduction) -> Reduction:
    """A reduction of `statistics` that takes `where`, too."""

    @functools.wraps(function)
    def call(x: Any, /, *, where: Any = True, **options: Any) -> Any:
        taken = x if where is True else over_chosen(x, where)
        if taken is x:
            return function(x, **options)
        if options.pop("dtype", None) is not None:
            raise TypeError(f"{function.__name__} takes dtype= or where=, not both")
        if "correction" in options:
            options["ddof"] = options.pop("correction")
        return getattr(taken, function.__name__)(**options)

    given = inspect.signature(function)
    last = inspect.Parameter("where", inspect.Parameter.KEYWORD_ONLY, default=True)
    call.__signature__ = given.replace(parameters=[*given.parameters.values(), last])  # type: ignore[attr-defined]
    call.__doc__ = f"{function.__doc__}\n\n    {_TEXT}"
    return array_function(call)


sum = _over_chosen(statistics.sum)
mean = _over_chosen(statistics.mean)
var = _over_chosen(statistics.var)
std = _over_chosen(statistics.std)
min = _over_chosen(statistics.min)
max = _over_chosen(statistics.max)
any = _over_chosen(statistics.any)
all = _over_chosen(statistics.all)
