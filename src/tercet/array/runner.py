"""What secret arrays need of the session that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tercet.plan.network import Network
from tercet.plan.plan import Plan
from tercet.plan.record.compile import Wanted
from tercet.plan.record.explain import Explanation
from tercet.plan.record.graph import Graph


class Runner(Protocol):
    """What secret arrays need of the session they belong to; `tercet.client` implements it."""

    @property
    def graph(self) -> Graph:
        """Where the session's expressions are recorded."""

    @property
    def network(self) -> Network:
        """The declared or measured network, by which protocol variants are chosen."""

    @property
    def checked(self) -> bool:
        """Whether assumed bounds are verified in every run."""

    @property
    def cohort(self) -> int:
        """Of how many rows a group has at least to be for a statistic of it to be shown; 0 for any number."""

    def run(self, wanted: Sequence[Wanted]) -> list[Any]:
        """Compile and run one plan; one result for each wanted value, in their order.

        REVEAL gives the stored integers as the type has them: `int64` (or Python ints in an object array, ring 2^128)
        of the value's shape, bools for a secret bool. Nothing is divided by 2^frac_bits: the array floor does that.
        PERSIST (under a handle that the session draws, unless one is given) gives the new input Recorded.
        """

    def explain(self, plan: Plan) -> Explanation:
        """What a plan costs and reveals; a session with nodes also asks the nodes for their decisions. Nothing runs."""
        return Explanation(plan, self.network, reasons=self.graph.reasons)
