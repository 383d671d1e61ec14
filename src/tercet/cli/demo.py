"""`tercet demo`: three nodes, three owners, one analyst, all on this machine and gone afterwards."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from tercet.cli.options import own_node
from tercet.cli.report import Screen, distribution, held_by_nodes
from tercet.cli.tables import FloatArray, Owner, TrainingTable, checked, diabetes, hand_out, read
from tercet.errors import ConfigError, InputError, IntegrityError, Refused
from tercet.node import processes, trial

if TYPE_CHECKING:
    from pandas import DataFrame

    from tercet.client import Measurement
    from tercet.client.upload_notes import Mode
    from tercet.federation.federation import Federation
    from tercet.process import ForkServer
    from tercet.store.audit import Entry
    from tercet.store.schema import Schema

HOSPITALS = ("Hospital North", "Hospital East", "Hospital West")
OWNERS = ("Owner 1", "Owner 2", "Owner 3")
DATASET = "patients"
STORED_BITS = 32
"""Bits of the largest stored number of every column, whatever its unit."""
_LEAST_EXPONENT, _MOST_EXPONENT = -80, 50


def run(data: Path | None, target: str | None) -> None:
    """Play the demo, with a file of the caller's or the diabetes data. Who calls it: `tercet demo`."""
    began = time.monotonic()
    frame, target, names = _source(data, target)
    whole = checked(frame, target)
    screen = Screen()
    with TemporaryDirectory(prefix="tercet-demo-") as folder:
        owners = hand_out(frame, Path(folder), names)
        tables = [checked(read(owner.path), target, pooled=False) for owner in owners]
        schema = declared(whole)
        screen.opening(owners, tables, schema)
        _Demo(Path(folder) / "nodes", owners, schema, whole).run(screen)
    screen.closing(time.monotonic() - began)


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


def declared(whole: TrainingTable) -> Schema:
    """One schema for all owners: every column a decimal, its bounds rounded outward from what the files hold."""
    from tercet.client.bounds import friendly_bounds
    from tercet.client.sources import clean_name
    from tercet.store.schema import Column, ColumnKind, Schema

    columns = []
    for name, values in _columns(whole):
        lo, hi = friendly_bounds(float(values.min()), float(values.max()))
        exponent = _exponent((lo, hi))
        if not _LEAST_EXPONENT <= exponent <= _MOST_EXPONENT:
            raise InputError(
                f"the numbers in column {name!r} are too {'large' if exponent > 0 else 'small'}",
                hint="give it in another unit: magnitudes of 10^-24 to 10^15 are taken",
            )
        frac_bits = max(1, STORED_BITS - exponent)
        columns.append(Column(name=clean_name(name), kind=ColumnKind.DECIMAL, lo=lo, hi=hi, frac_bits=frac_bits))
    try:
        return Schema.parse({"columns": [column.model_dump(exclude_defaults=True) for column in columns]})
    except InputError as error:
        raise InputError(error.message, hint="give the columns names that differ in letters and digits") from None


def _exponent(bounds: tuple[float, float]) -> int:
    """That of the least power of two that is not below the larger bound."""
    return math.ceil(math.log2(max(map(abs, bounds))))


def _columns(table: TrainingTable) -> list[tuple[str, FloatArray]]:
    """All columns with their names, the target last."""
    features = zip(table.feature_names, table.features.T, strict=True)
    return [*features, (table.target_name, table.target)]


class _Demo:
    """Three nodes in a folder, with everything that happens there."""

    def __init__(self, folder: Path, owners: Sequence[Owner], schema: Schema, whole: TrainingTable) -> None:
        self._folder = folder
        self._owners = owners
        self._schema = schema
        self._whole = whole
        self._target = schema.names[-1]
        self._exponents = [_exponent(column.bounds or (0.0, 1.0)) for column in schema.columns]

    def run(self, screen: Screen) -> None:
        """Play it, from the first node's start to the last one's end."""
        self._folder.mkdir()
        people: dict[str, Sequence[str]] = {_identity(owner): ["owner"] for owner in self._owners}
        names = [name for name, _ in _columns(self._whole)]
        try:
            with screen.progress() as step, processes.starter() as starter:
                starter.load()
                step("making keys for three nodes, three owners and an analyst")
                trial.create(self._folder, None, {**people, "analyst": ["analyst"]}, lanes=1)
                federation = self._launch(step, starter)
                self._upload(federation, step)
                answers = self._ask(federation, step)
            screen.means(names, answers.means, self._plain_means(), answers.count)
            screen.coefficients(self._whole.feature_names, answers.coefficients, *self._fit_plain())
            screen.cost(answers.cost)
            question = f"{DATASET}[{self._target!r}][0].reveal(), the {self._whole.target_name} of one patient"
            screen.refusal(question, answers.refused)
            folders = [self._folder / node.name for node in federation.nodes]
            plain = distribution(self._whole.target, self._schema[self._target].bounds or (0.0, 1.0))
            screen.seen(self._whole.target_name, plain, held_by_nodes(folders, DATASET, self._target), federation)
            screen.audit([(path.name, _recorded(path, answers.job)) for path in folders])
        finally:
            processes.stop([self._folder / node for node in trial.NODES])

    def _launch(self, step: Callable[[str], None], starter: ForkServer) -> Federation:
        try:
            return trial.launch(self._folder, step, starter)[0]
        except ConfigError as error:
            raise ConfigError(error.message, hint="tercet up starts the same nodes, and keeps their logs") from None

    def _upload(self, federation: Federation, step: Callable[[str], None]) -> None:
        from tercet.client.nodes import Nodes
        from tercet.client.upload import upload
        from tercet.federation.identity import Member

        for number, owner in enumerate(self._owners):
            step(f"{owner.name} splits its rows here and sends each node its part")
            member = Member.load(self._folder / f"{_identity(owner)}.pem")
            with Nodes(federation, member) as nodes:
                mode: Mode = "append" if number else "create"
                upload(nodes, owner.path, dataset=DATASET, schema=self._schema, mode=mode)

    def _ask(self, federation: Federation, step: Callable[[str], None]) -> _Answers:
        import tercet
        from tercet.array.numeric import times_power
        from tercet.linear_model import LinearRegression

        with tercet.connect(federation, identity=self._folder / "analyst.pem") as net:
            patients = net.table(DATASET)
            step("the analyst asks for the number of rows and all means")
            means = tercet.reveal(*(patients[name].mean() for name in self._schema.names))
            step("the analyst asks for a linear regression; the nodes fit it on shares")
            with net.measure() as cost:
                # columns of all units alike: divided by the powers of two of their public bounds, which costs nothing
                *features, aim = (
                    times_power(patients[name], -exponent, STORED_BITS)
                    for name, exponent in zip(self._schema.names, self._exponents, strict=True)
                )
                model = LinearRegression().fit(tercet.stack(features, axis=1), aim)
                coefficients = self._unscaled(*tercet.reveal(model.coef_, model.intercept_))
            assert net.last_job is not None
            job = net.last_job.job
            step("the analyst asks for the value of one patient")
            try:
                patients[self._target][0].reveal()
            except Refused as refused:
                return _Answers(len(patients), np.array(means), coefficients, cost, job, refused)
        raise IntegrityError("the nodes revealed a single value, which their policy forbids")

    def _unscaled(self, coefficients: FloatArray, intercept: float) -> FloatArray:
        """Coefficients and intercept in the units of the files; powers of two change no digit."""
        *features, aim = self._exponents
        return np.append(np.ldexp(coefficients, aim - np.array(features)), np.ldexp(intercept, aim))

    def _fit_plain(self) -> tuple[FloatArray, FloatArray]:
        """What scikit-learn gets from the pooled rows in float64, and the size that would be large for each.

        The demo may look, it plays all owners. Scaled alike, as scikit-learn loses columns that are tiny beside others.
        """
        from sklearn.linear_model import LinearRegression

        *features, aim = self._exponents
        table = np.ldexp(self._whole.features, -np.array(features))
        model = LinearRegression().fit(table, np.ldexp(self._whole.target, -aim))
        spread = np.append(np.ptp(self._whole.features, axis=0), 1.0)
        sizes = np.append(np.full(len(features), np.ptp(self._whole.target)), np.abs(self._whole.target).max()) / spread
        return self._unscaled(model.coef_, model.intercept_), sizes

    def _plain_means(self) -> FloatArray:
        return np.array([values.mean() for _, values in _columns(self._whole)])


@dataclass(frozen=True)
class _Answers:
    """What the analyst got."""

    count: int
    means: FloatArray
    coefficients: FloatArray
    """The intercept is the last one."""
    cost: Measurement
    job: str
    """The regression's."""
    refused: Refused


def _identity(owner: Owner) -> str:
    return owner.name.lower().replace(" ", "-")


def _recorded(folder: Path, job: str) -> Entry:
    """What a node has written down of a job first: who asked for what, and that its policy allows it."""
    from tercet.client.own_node import audit_entries
    from tercet.store.audit import Entry

    with own_node(folder) as own:
        entries = [Entry.model_validate(entry) for entry in audit_entries(own)]
    return next(entry for entry in entries if entry.details.get("job") == job)
