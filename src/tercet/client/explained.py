"""What a plan costs and reveals, with what each node's policy says to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tercet.federation.api import Decision, ExplainAnswer
from tercet.plan.record.explain import Explanation


@dataclass(frozen=True)
class NodesExplanation(Explanation):
    """See `plan.explain.Explanation`; and `decisions`: of each node its verdict, the rule, and the reasons."""

    answers: tuple[ExplainAnswer, ...] = field(repr=False)

    @property
    def decisions(self) -> list[Decision]:
        """What each node would decide."""
        return [answer.decision for answer in self.answers]

    @property
    def texts(self) -> dict[str, str]:
        """What the plan discloses, in each node's words, for people who have to answer for it."""
        return {answer.decision.node: answer.text for answer in self.answers}

    @property
    def allowed(self) -> bool:
        """Whether every node would run it at once."""
        return all(decision.verdict == "accepted" for decision in self.decisions)

    def _summary(self) -> Iterator[tuple[str, str]]:
        yield from super()._summary()
        said: dict[str, list[str]] = {}
        for decision in self.decisions:
            rule = f" by rule {decision.rule}" if decision.rule else ""
            # why it is accepted is for `texts`; what stands in the way belongs here
            reasons = "" if decision.verdict == "accepted" else f": {decision.because}"
            said.setdefault(f"{decision.verdict}{rule}{reasons}", []).append(decision.node)
        for verdict, nodes in said.items():
            yield "node" if len(nodes) == 1 else "nodes", f"{', '.join(nodes)}: {verdict}"
