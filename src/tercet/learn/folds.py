"""Rows divided by public places: folds, and parts to train and to test on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.public_random import PublicRandom

Places = NDArray[np.int64]
_SECRET = "which row is of which class is secret, and folds are public"


def rows_of(X: Any) -> int:
    """How many rows a matrix, line or table has."""
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def rows_at(X: Any, places: Any) -> Any:
    """Some rows, by public places."""
    if isinstance(X, SecretArray):
        return X[np.asarray(places)]
    return X.iloc[places] if hasattr(X, "iloc") else np.asarray(X)[places]


class KFold:
    """Rows in `n_splits` folds of one size, as scikit-learn's; `split` gives public places to train and to test on.

    `shuffle` asks for an integer `random_state`: the order comes from `PublicRandom`, and is none of NumPy's.
    """

    def __init__(self, n_splits: int = 5, *, shuffle: bool = False, random_state: int | None = None) -> None:
        if not isinstance(n_splits, int) or n_splits < 2:
            raise ValueError(f"n_splits is an integer from 2 on, not {n_splits!r}")
        if shuffle and random_state is None:
            raise ValueError("shuffle=True asks for random_state, a public integer")
        self.n_splits, self.shuffle, self.random_state = n_splits, shuffle, random_state

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(n_splits={self.n_splits}, random_state={self.random_state}, shuffle={self.shuffle})"

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """How many folds there are."""
        return self.n_splits

    def _draw(self, *labels: int | str) -> PublicRandom:
        assert self.random_state is not None
        return PublicRandom(self.random_state, type(self).__name__, *labels)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Places, Places]]:
        """Places of rows to train on, and to test on, for each fold. Raises ValueError for fewer rows than folds."""
        n = rows_of(X)
        if self.n_splits > n:
            raise ValueError(
                f"Cannot have number of splits n_splits={self.n_splits} greater than the number of samples: {n}"
            )
        fold_of = self._folds(n, y)
        for fold in range(self.n_splits):
            yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)

    def _folds(self, n: int, y: Any) -> Places:
        sizes = np.full(self.n_splits, n // self.n_splits)
        sizes[: n % self.n_splits] += 1
        order = self._draw().permutation(n) if self.shuffle else np.arange(n)
        found = np.empty(n, np.int64)
        found[order] = np.repeat(np.arange(self.n_splits), sizes)
        return found


class StratifiedKFold(KFold):
    """Folds with as many rows of each class, where classes are public: `split(X, y)` takes a plain y only.

    Each class is dealt out as scikit-learn deals it without shuffling; with it, in an order of `PublicRandom`.
    """

    def _folds(self, n: int, y: Any) -> Places:
        if isinstance(y, SecretArray):
            raise InputError(f"StratifiedKFold: {_SECRET}", hint="use KFold(shuffle=True, random_state=0)")
        y = np.asarray(y)
        if y.shape != (n,):
            raise InputError(f"y has shape {y.shape} for {n} rows", hint="pass public classes (n,)")
        _, first, codes = np.unique(y, return_index=True, return_inverse=True)
        codes = np.argsort(np.argsort(first))[codes]  # classes in the order in which they come
        counts = np.bincount(codes)
        if self.n_splits > counts.max():
            raise ValueError(f"n_splits={self.n_splits} cannot be greater than the number of members in each class.")
        ordered = np.sort(codes)
        dealt = [np.bincount(ordered[at :: self.n_splits], minlength=len(counts)) for at in range(self.n_splits)]
        found = np.empty(n, np.int64)
        for one in range(len(counts)):
            folds = np.arange(self.n_splits).repeat([fold[one] for fold in dealt])
            found[codes == one] = folds[self._draw(one).permutation(len(folds))] if self.shuffle else folds
        return found


def train_test_split(
    *arrays: Any,
    test_size: float | int | None = None,
    train_size: float | int | None = None,
    random_state: int | None = None,
    shuffle: bool = True,
    stratify: Any = None,
) -> list[Any]:
    """Each array's rows to train and to test on, by public places: X_train, X_test, y_train, y_test, ...

    Sizes as scikit-learn's: parts of the rows or numbers of rows, a quarter to test on by default. Shuffled by
    `random_state`, an integer that is asked for; the order is none of NumPy's. `stratify`: public classes of the rows.
    """
    if not arrays:
        raise ValueError("At least one array required as input")
    lengths = [rows_of(one) for one in arrays]
    if len(set(lengths)) > 1:
        raise InputError(f"arrays have {lengths} rows", hint="pass arrays with the same rows")
    n = lengths[0]
    train, test = _sizes(n, test_size, train_size)
    if not shuffle:
        if stratify is not None:
            raise ValueError("Stratified train/test split is not implemented for shuffle=False")
        places = np.arange(train), np.arange(train, train + test)
    else:
        if random_state is None:
            raise ValueError("train_test_split asks for random_state, a public integer; or pass shuffle=False")
        draw = PublicRandom(random_state, "train_test_split")
        order = draw.permutation(n) if stratify is None else _stratified(draw, stratify, n, test)
        places = order[test : test + train], order[:test]
    return [rows_at(one, part) for one in arrays for part in places]


def _sizes(n: int, test: float | int | None, train: float | int | None) -> tuple[int, int]:
    if test is None and train is None:
        test = 0.25
    for size in (test, train):
        whole = isinstance(size, int | np.integer)
        if size is not None and not (0 < size < n if whole else 0 < size < 1):
            raise ValueError(f"sizes are parts in (0, 1) or numbers of rows below {n}, not {size}")
    tested = None if test is None else math.ceil(test * n) if isinstance(test, float) else int(test)
    trained = None if train is None else math.floor(train * n) if isinstance(train, float) else int(train)
    tested = n - trained if tested is None and trained is not None else tested
    assert tested is not None
    trained = n - tested if trained is None else trained
    if trained + tested > n or trained < 1:
        raise ValueError(f"{trained} rows to train and {tested} to test on of {n}")
    return trained, tested


def _stratified(draw: PublicRandom, stratify: Any, n: int, test: int) -> Places:
    """An order whose first rows, those to test on, have the classes in their parts, by largest remainders."""
    if isinstance(stratify, SecretArray):
        raise InputError(f"stratify: {_SECRET}", hint="leave it out, or pass public classes")
    _, codes = np.unique(np.asarray(stratify), return_inverse=True)
    if codes.shape != (n,):
        raise InputError(f"stratify has {codes.shape} classes for {n} rows", hint="pass one class a row")
    counts = np.bincount(codes)
    wanted = counts * test / n
    taken = np.floor(wanted).astype(np.int64)
    taken[np.argsort(taken - wanted, kind="stable")[: test - taken.sum()]] += 1
    order = draw.permutation(n)
    place = np.empty(n, np.int64)
    for one in range(len(counts)):
        inside = order[codes[order] == one]
        place[inside] = np.arange(len(inside)) >= taken[one]
    return order[np.argsort(place[order], kind="stable")]
