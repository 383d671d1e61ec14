"""Reasons for bounds: each has a stable number, a text for people, and the rule by which nodes prove it, if any.

A `bound` or `multiply_within` states bounds on stored integers and the number of a reason. The number decides nothing:
nodes prove the bounds from the plan's own operations (`plan.bounds.prove`), or they count as a claim. `rule` says by
which rule nodes prove what is stated for this reason; a reason without a rule is declared by whoever writes the plan.

Numbers below `FIRST_DECLARED` are those of this table. A floor above (arrays, models) declares reasons of its own from
that number on: it makes a `Reasons` of them, and a session adds it to the ones it starts with (`Graph(reasons=...)`).
Plans carry numbers only, never texts, so that no analyst writes words that an operator reads as a node's. A node
accepts any declared number and treats what it states as a claim; it shows the text only if its own software has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

FIRST_DECLARED: Final = 64
MAX_REASON: Final = 1 << 16


class ProofRule(Enum):
    """The rules by which nodes prove bounds (`plan.bounds.prove`)."""

    SELECTION = auto()
    """One of two values is taken, or a value or its negation."""
    NORMALISATION = auto()
    """The two results of `normalise`."""
    RELATION = auto()
    """The same value occurs more than once among what a value comes from (`plan.bounds.relations`)."""
    ARRANGEMENT = auto()
    """Rows of a sort are rows that went into it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why stored integers lie in bounds."""

    number: int
    text: str
    rule: ProofRule | None = None
    """By which rule nodes prove it; None if they take it as declared."""
    domain: bool = False
    """Whether it is a function's domain that a number was drawn in to: from outside, what follows means nothing."""


ASSUMED: Final = Reason(0, "assumed by the analyst")
NORMALISED: Final = Reason(1, "a normalised value lies in [1/2, 1)", ProofRule.NORMALISATION)
QUOTIENT_LIMIT: Final = Reason(2, "dividend and divisor have that in common", ProofRule.RELATION)
CAUCHY_SCHWARZ: Final = Reason(3, "Cauchy-Schwarz")
LOOP: Final = Reason(5, "loop-carried bounds, declared")
SELECTED: Final = Reason(6, "selected between two values in these bounds", ProofRule.SELECTION)
REPLACED: Final = Reason(7, "what lies outside is replaced by zero afterwards")
NOT_NEGATIVE: Final = Reason(8, "a variance is not negative", ProofRule.RELATION)
REMAINDER: Final = Reason(9, "a remainder is smaller than the divisor", ProofRule.RELATION)
TRUNCATED: Final = Reason(10, "what a truncation drops is less than one step of it")
DERIVED: Final = Reason(11, "the operations that it comes from give no more", ProofRule.RELATION)
"""What `plan.bounds.relations` finds; recorded wherever that is narrower than an operation's own type."""
ARRANGED: Final = Reason(16, "a row of a sort has the elements that went in", ProofRule.ARRANGEMENT)
LOG_DOMAIN: Final = Reason(17, "logarithms take numbers above 0", ProofRule.SELECTION, domain=True)
ROOT_DOMAIN: Final = Reason(18, "square roots take numbers from 0 on", ProofRule.SELECTION, domain=True)
INVERSE_ROOT_DOMAIN: Final = Reason(19, "inverse roots take numbers above 0", ProofRule.SELECTION, domain=True)
ACOSH_DOMAIN: Final = Reason(20, "acosh takes numbers from 1 on", ProofRule.SELECTION, domain=True)
ARC_DOMAIN: Final = Reason(21, "asin and acos take numbers from -1 to 1", ProofRule.SELECTION, domain=True)
GAMMA_DOMAIN: Final = Reason(22, "gammaln and digamma take numbers above 0", ProofRule.SELECTION, domain=True)
ERFINV_DOMAIN: Final = Reason(
    23, "erfinv takes numbers between -1 and 1, ndtri between 0 and 1", ProofRule.SELECTION, domain=True
)
ENTROPY_DOMAIN: Final = Reason(24, "entropies take numbers from 0 on", ProofRule.SELECTION, domain=True)
POWER_DOMAIN: Final = Reason(25, "fractional powers take numbers from 0 on", ProofRule.SELECTION, domain=True)
ZERO_TIMES: Final = Reason(26, "zero times a logarithm is zero", ProofRule.SELECTION)
"""Of a product that means something where its first factor is 0, whatever the second is."""
CHOSEN: Final = Reason(27, "of the two, one was chosen by its size", ProofRule.RELATION)
POWERS: Final = Reason(28, "one of the powers in each sum is that of 0", ProofRule.RELATION)
DIAGONAL: Final = Reason(29, "the diagonal of x^T x holds sums of squares", ProofRule.RELATION)
NORMED: Final = Reason(30, "rows and columns are not longer than they are bounded to be", ProofRule.RELATION)
ENTROPY: Final = Reason(31, "x log x is not below -1/e, nor x log (x / y) below -y/e", ProofRule.RELATION)
FOUND: Final = frozenset({DERIVED, CHOSEN, POWERS, DIAGONAL, NORMED, ENTROPY})
"""Those that a graph records by itself, of what `plan.bounds.relations` finds."""


class Reasons:
    """The reasons that a program knows, by number. Immutable."""

    __slots__ = ("_by_number",)

    def __init__(self, reasons: Sequence[Reason]) -> None:
        self._by_number = {reason.number: reason for reason in reasons}
        if len(self._by_number) != len(reasons):
            raise ValueError("two reasons have one number")

    def __iter__(self) -> Iterator[Reason]:
        return iter(self._by_number.values())

    def __contains__(self, reason: Reason) -> bool:
        return self._by_number.get(reason.number) == reason

    def declaring(self, reasons: Sequence[Reason]) -> Reasons:
        """These, and those of a floor above. Raises ValueError for a number below `FIRST_DECLARED`, for one that is
        taken, and for a reason with a rule: nodes prove what they know themselves, and nothing else."""
        for reason in reasons:
            if not FIRST_DECLARED <= reason.number <= MAX_REASON or reason.rule is not None:
                raise ValueError(f"reason {reason.number} ({reason.text}) cannot be declared")
        return Reasons([*self, *reasons])

    def named(self, number: int) -> Reason | None:
        """The reason of this number, if the program knows it."""
        return self._by_number.get(number)

    def text(self, number: int) -> str:
        """What a person reads of a number."""
        known = self._by_number.get(number)
        return f"declared by the analyst's software (reason {number})" if known is None else known.text


BUILT_IN: Final = Reasons(
    (
        ASSUMED,
        NORMALISED,
        QUOTIENT_LIMIT,
        CAUCHY_SCHWARZ,
        LOOP,
        SELECTED,
        REPLACED,
        NOT_NEGATIVE,
        REMAINDER,
        TRUNCATED,
        DERIVED,
        ARRANGED,
        LOG_DOMAIN,
        ROOT_DOMAIN,
        INVERSE_ROOT_DOMAIN,
        ACOSH_DOMAIN,
        ARC_DOMAIN,
        GAMMA_DOMAIN,
        ERFINV_DOMAIN,
        ENTROPY_DOMAIN,
        POWER_DOMAIN,
        ZERO_TIMES,
        CHOSEN,
        POWERS,
        DIAGONAL,
        NORMED,
        ENTROPY,
    )
)
_BUILT_IN_NUMBERS: Final = frozenset(reason.number for reason in BUILT_IN)


def may_stand(number: int) -> bool:
    """Whether a plan may state this number: one of this table, or one that a floor above may have declared."""
    return number in _BUILT_IN_NUMBERS or FIRST_DECLARED <= number <= MAX_REASON
