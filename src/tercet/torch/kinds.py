"""Kinds of numbers: what torch calls whole numbers or bools is no fixed-point number underneath."""

from __future__ import annotations

import numpy as np
import torch

from tercet import array as xp
from tercet.array import SecretArray
from tercet.torch.cells import Held
from tercet.torch.refusals import no_rule


def is_bool(x: Held) -> bool:
    """Whether an array, secret or not, or a Python number, is of bools."""
    return x.dtype.name == "bool" if isinstance(x, SecretArray) else bool(np.asarray(x).dtype == np.bool_)


def as_kind(value: Held, dtype: torch.dtype, what: str) -> Held:
    """A value as what a tensor of this dtype holds: among bools a number counts as whether it is not 0, among numbers
    a bool as 0 or 1, and public numbers among whole ones are cut. PlanError for secret ones that have a fraction; it
    says `what` they were for."""
    if not isinstance(value, SecretArray):
        plain = np.asarray(value)
        wanted = np.bool_ if dtype == torch.bool else np.float64 if dtype.is_floating_point else np.int64
        return plain if plain.dtype.kind == np.dtype(wanted).kind else plain.astype(wanted)
    if is_bool(value):
        return value if dtype == torch.bool else value * 1
    if dtype == torch.bool:
        return xp.not_equal(value, 0)
    if dtype.is_floating_point or value.dtype.name.startswith("int"):
        return value
    raise no_rule(f"{what} {value.dtype.name} into a tensor of {dtype}", "convert it before, with .to()")
