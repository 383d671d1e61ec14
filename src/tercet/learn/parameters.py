"""Public parameters of models: numbers and counts, refused by name where they are none."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from tercet.errors import InputError


def number_of(value: Any, what: str, *, above: bool = False) -> Fraction:
    """A public parameter as an exact fraction. InputError unless it is a finite number from 0 on, or above 0."""
    known = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not known or not np.isfinite(value) or value < 0 or (above and not value):
        raise InputError(f"{what} is {value!r}", hint=f"pass one public number {'above 0' if above else 'from 0 on'}")
    return Fraction(float(value))


def count_of(value: Any, what: str) -> int:
    """A public count. InputError unless it is an integer from 1 on."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InputError(f"{what} is {value!r}", hint="pass a public integer from 1 on")
    return int(value)
