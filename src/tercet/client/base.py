"""What every session has in common: recorded expressions, compiled plans, costs, saved models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

from numpy.typing import NDArray

from tercet.array.core import SecretArray
from tercet.client.encode import decode_words, stored_values
from tercet.client.measurement import JobRecord, Measurement
from tercet.errors import ConfigError
from tercet.learn.model import SecretModel
from tercet.learn.reasons import KNOWN
from tercet.plan.network import Network
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.explain import Explanation
from tercet.plan.record.graph import Graph, Recorded
from tercet.plan.record.scale import least_ring, nearest, reproducible, settle
from tercet.plan.types import Type
from tercet.sharing import fresh_seed

HANDLE_BYTES = 16
COIN, EXACT = "coin", "exact"
STATED, ENFORCED = "stated", "enforced"


def check_modes(rounding: str, bounds: str) -> None:
    """ConfigError unless these are known; sessions ask before they start anything."""
    if rounding not in (COIN, EXACT):
        raise ConfigError(f"rounding {rounding!r} is not known", hint=f"use {COIN!r} or {EXACT!r}")
    if bounds not in (STATED, ENFORCED):
        raise ConfigError(f"bounds {bounds!r} are not known", hint=f"use {STATED!r} or {ENFORCED!r}")


class BaseSession(ABC):
    """The part of a session that secret arrays see; how plans are run is for the session that is made of it."""

    def __init__(self, network: Network, *, checked: bool, rounding: str, bounds: str, keeps_exactly: bool) -> None:
        """`keeps_exactly`: whether what is kept is rounded to the nearest even if `rounding` says COIN."""
        check_modes(rounding, bounds)
        self.checked = checked
        """Whether bounds that the analyst assumed are verified in every run."""
        self.network = network
        """What plans are made for: how long a round and a byte take."""
        self.graph = Graph(exact_rounding=rounding == EXACT, enforced_bounds=bounds == ENFORCED, reasons=KNOWN)
        """Where this session's expressions are recorded."""
        self.last_job: JobRecord | None = None
        """What the last job took."""
        self._keeps_exactly = keeps_exactly
        self._measurements: list[Measurement] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """End the session; harmless when called again."""

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

        One plan for all. Gives the arrays on what is kept. InputError for a name that is taken or cannot be one.
        """

    @abstractmethod
    def load(self, name: str) -> SecretModel:
        """A saved model, fitted, its arrays still secret. Raises InputError if there is none."""

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
        """The node of an array that the parties keep under this handle."""

    def _placed(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """The same, what is kept in its smallest form and under a new handle."""
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
        """Results as `run` gives them: of what is kept, its node."""
        return [
            self._stored(want.handle, want.node.type) if want.kind is OutputKind.PERSIST else result
            for want, result in zip(placed, results, strict=True)
        ]

    def _note(self, record: JobRecord) -> None:
        """Remember what a job took."""
        self.last_job = record
        for measurement in self._measurements:
            measurement.add(record)


def load(name: str, session: BaseSession) -> SecretModel:
    """A model that was saved under this name in the session, or at the nodes it is connected with. Analysts call it.

    Fitted as it was, its arrays still secret: `predict` runs under sharing. Raises InputError if there is none,
    TypeError for what is no name or no session.
    """
    if not isinstance(name, str):
        raise TypeError(f"a saved model has a name, not {type(name).__name__}; pass load(name, session)")
    if not hasattr(session, "load"):
        raise TypeError(f"a model is loaded from a session, not {type(session).__name__}; pass load(name, session)")
    return session.load(name)
