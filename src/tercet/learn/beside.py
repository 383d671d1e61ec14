"""Targets and fitted trees beside rows: both secret, in one session, or both plain."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array.core import session_of
from tercet.errors import InputError
from tercet.learn.inputs import Classes, classes_of, features, is_secret, numbers_only, target
from tercet.learn.model import SecretModel
from tercet.learn.passes import spread

WORD_BITS = 60
MOST_BITS = 30


def classes_beside(X: Any, y: Any, classes: Any = None) -> Classes:
    """The classes of a target (n,), whose codes are secret if X is. Raises InputError for a secret y of plain rows."""
    found = classes_of(target(X, y), classes)
    _in_one_place(X, found.codes)
    if is_secret(X) and not is_secret(found.codes):
        return Classes(found.classes, spread(found.codes, X, 0))
    return found


def target_beside(X: Any, y: Any) -> Any:
    """A target (n,) of numbers, secret if X is, a plain one then with up to 30 fractional bits. Raises InputError for a
    secret y of plain rows."""
    y = numbers_only(target(X, y), "y")
    _in_one_place(X, y)
    if is_secret(X) and not is_secret(y):
        return spread(y, X, max(0, min(MOST_BITS, WORD_BITS - int(np.frexp(np.max(np.abs(y)))[1]))))
    return y


def rows_beside(X: Any, model: SecretModel, holds: str) -> Any:
    """X (n, d) for a fitted model, and its attribute `holds`. Raises InputError where only one of the two is secret."""
    model.check_fitted()
    X, held = features(X, model), getattr(model, holds)
    if is_secret(X) != is_secret(held):
        of_rows, of_model = ("secret", "plain") if is_secret(X) else ("plain", "secret")
        raise InputError(
            f"X is {of_rows}, and the fitted {type(model).__name__} is {of_model}",
            hint="share X first: session.share(X, bounds=(least, most))"
            if of_rows == "plain"
            else "share the model first, as from_sklearn does, or fit on secret rows",
        )
    _in_one_place(X, held)
    return X


def _in_one_place(X: Any, other: Any) -> None:
    if is_secret(other) and not is_secret(X):
        raise InputError("y is secret, and X is not", hint="share X, too: session.share(X, bounds=(least, most))")
    if is_secret(X) and is_secret(other):
        session_of(X, other)  # ValueError for two
