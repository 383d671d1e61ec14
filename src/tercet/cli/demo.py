"""The demo: several owners, three server processes, one linear regression on all rows under secret sharing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from tercet.cli.report import Screen
from tercet.cli.seen import seen_by_servers
from tercet.cli.tables import FloatArray, Owner, Table, checked, declared_bounds, diabetes, hand_out, read
from tercet.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

    from tercet.client import Measurement

HOSPITALS = ("Hospital North", "Hospital East", "Hospital West")
OWNERS = ("Owner 1", "Owner 2", "Owner 3")
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Declared:
    """What the owners agree on in public before anything is shared."""

    features: Bounds
    target: Bounds
    frac_bits: int


@dataclass(frozen=True)
class Model:
    """A fitted linear regression in plain."""

    coefficients: FloatArray
    intercept: float

    def as_array(self) -> FloatArray:
        """The coefficients, then the intercept."""
        return np.append(self.coefficients, self.intercept)


def run(data: Path | None, target: str | None, *, frac_bits: int, timeout: float) -> None:
    """Run the demo and print it. Raises TercetError for what a person can mend."""
    frame, target, names = _source(data, target)
    whole = checked(frame, target)
    declared = Declared(declared_bounds(whole.features), declared_bounds(whole.target), frac_bits)
    screen = Screen()
    with TemporaryDirectory(prefix="tercet-demo-") as folder:
        owners = hand_out(frame, Path(folder), names)
        tables = [checked(read(owner.path), target, pooled=False) for owner in owners]
        screen.opening(owners, tables, declared)
        secret, cost = _fit_shared(screen, owners, tables, declared, timeout)
    screen.result(whole.feature_names, secret, _fit_plain(whole))
    screen.seen(owners[0].name, seen_by_servers(tables[0].features, declared.features, frac_bits))
    screen.cost(cost)


def _source(data: Path | None, target: str | None) -> tuple[DataFrame, str, Sequence[str]]:
    if data is None:
        if target is not None:
            raise InputError("--target names a column of a file", hint="give the file with --data FILE.csv")
        return diabetes(), "progression", HOSPITALS
    frame = read(data)
    if target is None:
        columns = ", ".join(map(str, frame.columns))
        raise InputError("--data needs a column to predict", hint=f"name it with --target; the columns are: {columns}")
    return frame, target, OWNERS


def _fit_shared(
    screen: Screen, owners: Sequence[Owner], tables: Sequence[Table], declared: Declared, timeout: float
) -> tuple[Model, Measurement]:
    import tercet
    from tercet.linear_model import LinearRegression

    with screen.progress() as step:
        step("starting three server processes, mutual TLS between them")
        with tercet.local(processes=True, timeout=timeout) as net:
            features, targets = [], []
            for owner, table in zip(owners, tables, strict=True):
                step(f"{owner.name} splits its {len(table.target)} rows and sends the shares")
                features.append(net.share(table.features, bounds=declared.features, frac_bits=declared.frac_bits))
                targets.append(net.share(table.target, bounds=declared.target, frac_bits=declared.frac_bits))
            step("the servers fit the regression on shares")
            with net.measure() as cost:
                model = LinearRegression().fit(tercet.concat(features), tercet.concat(targets))
                coefficients, intercept = tercet.reveal(model.coef_, model.intercept_)
            step("closing the servers")
    return Model(np.asarray(coefficients), float(intercept)), cost


def _fit_plain(table: Table) -> Model:
    """What scikit-learn gets from the pooled rows in float64: the demo may look, it plays all owners."""
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(table.features, table.target)
    return Model(np.asarray(model.coef_), float(model.intercept_))
