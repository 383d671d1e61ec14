"""What every session has in common: recorded expressions, compiled plans, what jobs really cost, saved models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

from numpy.typing import NDArray

from tercet.array import draws
from tercet.array.core import SecretArray
from tercet.array.permutation import Permutation
from tercet.client.encode import decode_words, stored_values
from tercet.errors import ConfigError
from tercet.learn.model import SecretModel
from tercet.learn.reasons import KNOWN
from tercet.plan.network import Network
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan, measured_rounds
from tercet.plan.record.explain import Explanation
from tercet.plan.record.graph import Graph, Recorded
from tercet.plan.record.scale import least_ring, nearest, reproducible, settle
from tercet.plan.types import Type
from tercet.sharing import fresh_seed

HANDLE_BYTES = 16
COIN, EXACT = "coin", "exact"
STATED, ENFORCED = "stated", "enforced"


@dataclass(slots=True)
class OperationRow:
    """One kind of operation, summed over runs: bytes a party (mean of the three), seconds at the slowest party.

    `seconds` runs from an operation's start to its end; those that wait side by side count fully each.
    """

    name: str
    count: int = 0
    rounds: int = 0
    bytes_per_party: float = 0.0
    seconds: float = 0.0

    def add(self, other: OperationRow) -> None:
        self.count += other.count
        self.rounds += other.rounds
        self.bytes_per_party += other.bytes_per_party
        self.seconds += other.seconds


@dataclass(frozen=True)
class JobRecord:
    """One job as the three parties and the client saw it."""

    job: str
    rounds: int
    bytes_per_party: float
    seconds: float
    online_s: float
    computing_s: float
    waiting_s: float
    operations: Mapping[str, OperationRow] = field(repr=False)


@dataclass
class Measurement:
    """Sums over the jobs that ran inside `with net.measure() as m`.

    rounds: along the longest chain of messages; bytes_per_party: payload sent to the other parties, mean of the
    three; seconds: as the client waited; online_s: from a plan's arrival to its end at the slowest party; computing_s
    and waiting_s: at a party, mean of the three.
    """

    jobs: int = 0
    rounds: int = 0
    bytes_per_party: float = 0.0
    seconds: float = 0.0
    online_s: float = 0.0
    computing_s: float = 0.0
    waiting_s: float = 0.0
    rows: dict[str, OperationRow] = field(default_factory=dict, repr=False)

    @property
    def operations(self) -> list[OperationRow]:
        """A row for each kind of operation, the slowest first."""
        return sorted(self.rows.values(), key=lambda row: row.seconds, reverse=True)

    def add(self, record: JobRecord) -> None:
        """Count one more job."""
        self.jobs += 1
        for figure in ("rounds", "bytes_per_party", "seconds", "online_s", "computing_s", "waiting_s"):
            setattr(self, figure, getattr(self, figure) + getattr(record, figure))
        for name, row in record.operations.items():
            self.rows.setdefault(name, OperationRow(name)).add(row)


class PartyReport(Protocol):
    """What a job cost at one party: `engine.commands.Done` in local sessions, `JobReport` from a node."""

    @property
    def seconds(self) -> float: ...

    @property
    def waiting_s(self) -> float: ...

    @property
    def index(self) -> Sequence[int]: ...

    @property
    def rounds(self) -> Sequence[int]: ...

    @property
    def nbytes(self) -> Sequence[int]: ...

    @property
    def compute_s(self) -> Sequence[float]: ...


def revealed_types(plan: Plan) -> dict[int, Type]:
    """The types of the outputs of a plan that are revealed, by the index of the output."""
    return {
        index: plan.type_of(output.value)
        for index, output in enumerate(plan.outputs)
        if output.kind is OutputKind.REVEAL
    }


def record_of(plan: Plan, job: str, reports: Sequence[PartyReport], seconds: float) -> JobRecord:
    """One record from the reports of the three parties."""
    count = len(plan.listed)
    rounds, sent, took = [0] * count, [0] * count, [0.0] * count
    for report in reports:
        columns = (report.index, report.rounds, report.nbytes, report.compute_s)
        for index, depth, nbytes, compute_s in zip(*columns, strict=True):
            if index < count:
                rounds[index] = max(rounds[index], depth)
                sent[index] += nbytes
                took[index] = max(took[index], compute_s)
    rows: dict[str, OperationRow] = {}
    for index, (op, times) in enumerate(plan.listed):
        if not op.is_leaf and op.body is None:
            name = op.operation.name
            row = OperationRow(name, times, times * rounds[index], sent[index] / len(reports), took[index])
            rows.setdefault(name, OperationRow(name)).add(row)
    waiting_s = sum(report.waiting_s for report in reports) / len(reports)
    busy_s = sum(report.seconds for report in reports) / len(reports)
    return JobRecord(
        job,
        measured_rounds(plan, rounds),
        sum(sent) / len(reports),
        seconds,
        max(report.seconds for report in reports),
        max(0.0, busy_s - waiting_s),
        waiting_s,
        rows,
    )


def check_modes(rounding: str, bounds: str) -> None:
    """Raise ConfigError unless these are known. Sessions call it before they start anything."""
    if rounding not in (COIN, EXACT):
        raise ConfigError(f"rounding {rounding!r} is not known", hint=f"use {COIN!r} or {EXACT!r}")
    if bounds not in (STATED, ENFORCED):
        raise ConfigError(f"bounds {bounds!r} are not known", hint=f"use {STATED!r} or {ENFORCED!r}")


class BaseSession(ABC):
    """What secret arrays need of a session. Subclasses say where plans run."""

    def __init__(self, network: Network, *, checked: bool, rounding: str, bounds: str, keeps_exactly: bool) -> None:
        """`keeps_exactly`: whether kept arrays are always rounded to the nearest, whatever `rounding` says."""
        check_modes(rounding, bounds)
        self.checked = checked
        """Whether every run verifies the bounds that `tercet.assume` asserts."""
        self.network = network
        """How long a round and a byte take; protocols of a plan are chosen by it."""
        self.graph = Graph(exact_rounding=rounding == EXACT, enforced_bounds=bounds == ENFORCED, reasons=KNOWN)
        """Where this session's expressions are recorded."""
        self.cohort = 0
        """Of how many rows a group has at least to be for a statistic of it to be shown; tables of nodes raise it."""
        self.last_job: JobRecord | None = None
        """What the last job cost."""
        self._keeps_exactly = keeps_exactly
        self._measurements: list[Measurement] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """End the session; harmless when called again."""

    def permutation(self, n: int) -> Permutation:
        """A secret permutation of n places, each as likely, that nobody knows: no party, no analyst. Analysts call it.

        It is drawn at once, in two rounds, and kept by the parties, so that it is the same in every job that uses it.
        """
        return Permutation.drawn(self, n).persist()

    def uniform(self, shape: Any, *, low: float = 0.0, high: float = 1.0, frac_bits: int = 16) -> SecretArray:
        """Secret random numbers that nobody knows, no party, no analyst: uniform among the multiples of 2^-frac_bits in
        [low, high). Analysts call it. Integers where frac_bits is 0.

        Drawn anew by every call that reveals or persists something made of them: `persist` keeps them. In one call they
        are one value, in all passes of a loop, too. `low` and `high` are public, and rounded to such multiples. Where
        these are a power of two, 2^k, each is exactly as likely, for some 43 + 20 k bits an element and party in two
        rounds; else their probabilities differ from each other by a relative 2^-16 at most, for some 800 bits in 10
        rounds. To a policy the numbers rest on no row, and what they select or weigh among rows counts as single rows.
        ValueError where fewer than two multiples lie in between.
        """
        return draws.uniform(self, shape, low, high, frac_bits)

    def normal(self, shape: Any, *, mean: float = 0.0, std: float = 1.0, frac_bits: int = 16) -> SecretArray:
        """Secret normal random numbers that nobody knows, of public mean and standard deviation. Analysts call it.

        Drawn and seen by policies as `uniform`. mean + std z, within two last bits, relative above 1; z has the
        standard normal distribution function within 2^-31, at most 6.121 in size (beyond lies a probability of 2^-30).
        Costs 3,700 bits an element and party in 39 rounds, or 8,700 in 43 from about 21 fractional bits of z on, which
        has as many more than the result as std has bits. ValueError unless std is above 0; PlanError where z would
        have more than 44.
        """
        return draws.normal(self, shape, mean, std, frac_bits)

    def bernoulli(self, shape: Any, p: Any = 0.5) -> SecretArray:
        """Secret random bools that nobody knows, True with probability p, each by itself. Analysts call it.

        Drawn and seen by policies as `uniform`. A public p is rounded to a multiple of 2^-32, and has that probability
        exactly: without a message for 1/2, else fewer than two bits an element and party for each bit of p, in log2 of
        their number of rounds. A secret p, in fixed point and of a shape that broadcasts, is compared with uniform
        numbers at its scale (16 bits at least), exact if it is a multiple of theirs. ValueError unless a public p lies
        in [0, 1]; a secret one beyond counts as 0 or 1.
        """
        return draws.bernoulli(self, shape, p)

    def run(self, wanted: Sequence[Wanted]) -> list[Any]:
        """Compile and run one plan for the results wanted: what secret arrays call to reveal and persist."""
        placed = self._placed(wanted)
        results = self._run(compile_plan(placed, self.network), stored_values)
        return self._taken(placed, results)

    def explain(self, plan: Plan) -> Explanation:
        """What a plan costs and reveals; nothing runs. `tercet.explain(array)` calls it."""
        return Explanation(plan, self.network, reasons=KNOWN)

    @abstractmethod
    def keep(self, name: str, arrays: Mapping[str, SecretArray], model: Mapping[str, Any]) -> dict[str, SecretArray]:
        """Keep a model's arrays under a name, with its public description; `SecretModel.save` calls it.

        It runs one plan and gives the kept arrays. InputError for a name that is taken or not allowed.
        """

    @abstractmethod
    def load(self, name: str) -> SecretModel:
        """A saved model, fitted, its arrays still secret. Raises InputError if there is none."""

    def _rebuilt(self, description: Mapping[str, Any], arrays: Mapping[str, SecretArray]) -> SecretModel:
        # walks our modules and installed packages: only who loads a model needs it
        from tercet.learn.registry import rebuild

        return rebuild(description, arrays)

    @contextmanager
    def measure(self) -> Iterator[Measurement]:
        """Add up what the jobs that run inside really cost."""
        measurement = Measurement()
        self._measurements.append(measurement)
        try:
            yield measurement
        finally:
            self._measurements.remove(measurement)

    @abstractmethod
    def _run(self, plan: Plan, decode: Callable[[NDArray[Any], Type], Any] = decode_words) -> list[Any]:
        """Run a plan; give one plain array for every output that is revealed, None for those that are kept."""

    @abstractmethod
    def _stored(self, handle: bytes, t: Type) -> Recorded:
        """The input of plans for an array that the parties keep under this handle."""

    def _placed(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """The same; an array that is to be kept is rounded, in its smallest ring, and under a new handle."""
        return [
            replace(want, node=least_ring(self._settled(want.node)), handle=want.handle or fresh_seed()[:HANDLE_BYTES])
            if want.kind is OutputKind.PERSIST
            else want
            for want in wanted
        ]

    def _settled(self, x: Recorded) -> Recorded:
        if not self._keeps_exactly:
            return settle(x)
        excess = x.type.frac_bits - x.type.nominal
        return nearest(x, excess) if excess > 0 else reproducible(x)

    def _taken(self, placed: Sequence[Wanted], results: Sequence[Any]) -> list[Any]:
        """Results as `run` gives them; for a kept array, the input of plans that stands for it."""
        return [
            self._stored(want.handle, want.node.type) if want.kind is OutputKind.PERSIST else result
            for want, result in zip(placed, results, strict=True)
        ]

    def _note(self, record: JobRecord) -> None:
        """Store what a job cost."""
        self.last_job = record
        for measurement in self._measurements:
            measurement.add(record)


def load(name: str, session: BaseSession) -> SecretModel:
    """A model that was saved under this name in the session, or at the nodes it is connected with. Analysts call it.

    Fitted as it was, its arrays still secret: `predict` runs under sharing. Raises InputError if there is none,
    TypeError if an argument is no name or no session.
    """
    if not isinstance(name, str):
        raise TypeError(f"a saved model has a name, not {type(name).__name__}; pass load(name, session)")
    if not hasattr(session, "load"):
        raise TypeError(f"a model is loaded from a session, not {type(session).__name__}; pass load(name, session)")
    return session.load(name)
