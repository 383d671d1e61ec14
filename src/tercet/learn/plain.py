"""Fitted models of scikit-learn: their arrays shared by an owner, or set from what is revealed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet.array.core import SecretArray
from tercet.array.results import reveal
from tercet.learn.model import SecretModel

WORD_BITS = 61
MOST_FRAC_BITS = 48


def shared(
    session: Any, values: Any, *, least: float = 0.0, frac_bits: int | None = None, most_bits: int = MOST_FRAC_BITS
) -> Any:
    """Numbers of a fitted model as a secret array; public is the power of two above the largest magnitude, `least` at
    least. As many fractional bits as fit 64 bits beside it, unless they are given."""
    values = np.asarray(values, dtype=np.float64)
    largest = max(float(np.max(np.abs(values), initial=0.0)), least, 2.0**-24)
    bits = int(np.frexp(largest)[1])
    top = least if largest == least else 2.0**bits
    frac_bits = max(0, min(most_bits, WORD_BITS - bits)) if frac_bits is None else frac_bits
    return session.share(
        np.ldexp(np.rint(np.ldexp(values, frac_bits)), -frac_bits), bounds=(-top, top), frac_bits=frac_bits
    )


def revealed(model: SecretModel, plain: Any, names: Sequence[str]) -> None:
    """Sets attributes of a plain model to those of a fitted one, all revealed in one plan."""
    model.check_fitted()
    values = {name: getattr(model, name) for name in names}
    secret = {name: value for name, value in values.items() if isinstance(value, SecretArray)}
    found = reveal(*secret.values()) if secret else ()
    opened = dict(zip(secret, found if len(secret) != 1 else [found], strict=True))
    for name, value in values.items():
        setattr(plain, name, np.asarray(opened.get(name, value)))
