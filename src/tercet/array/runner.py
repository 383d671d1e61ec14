"""What secret arrays need of the session they belong to; `tercet.client` implements it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tercet.plan.compile import Wanted
from tercet.plan.explain import Explanation
from tercet.plan.graph import Graph
from tercet.plan.network import Network
from tercet.plan.plan import Plan


class Runner(Protocol):
    """A session as secret arrays see it."""

    @property
    def graph(self) -> Graph:
        """Where the session's expressions are recorded."""

    @property
    def network(self) -> Network:
        """The declared or measured network, by which protocol variants are chosen."""

    @property
    def checked(self) -> bool:
        """Whether assumed bounds are verified in every run."""

    def run(self, wanted: Sequence[Wanted]) -> list[Any]:
        """Compile and run one plan; one result for each wanted value, in their order.

        REVEAL gives the stored integers as the type has them: `int64` (or Python ints in an object array, ring 2^128)
        of the value's shape, bools for a secret bool. Nothing is divided by 2^frac_bits: the array floor does that.
        PERSIST (under a handle that the session draws, unless one is given) gives the new input Node.
        """

    def explain(self, plan: Plan) -> Explanation:
        """What a plan costs and reveals; a session with nodes also asks them what they would say. Nothing runs."""
        return Explanation(plan, self.network)
