"""sinh and cosh: e^x and e^-x side by side, added or subtracted before they are rescaled.

Both powers have the public numbers of one `Exponential` over [-M, M], so that they are at one scale.

Security: semi-honest, one corruption; `functions.power` twice, nothing else. Source: own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tercet.protocols.functions import Exponential, exponential, power
from tercet.protocols.scope import Body
from tercet.protocols.working import Arithmetic


@dataclass(frozen=True)
class Hyperbolic:
    """The public numbers: those of e^x for |x| up to the largest, and with which sign e^-x counts."""

    exponential: Exponential
    sign: int

    @property
    def out_bits(self) -> int:
        """One more than those of e^x, for the half."""
        return self.exponential.out_bits + 1


def hyperbolic(name: str, lo: int, hi: int, frac_bits: int, nominal: int, ring_bits: int) -> Hyperbolic | None:
    """Of "sinh" or "cosh" of stored integers in [lo, hi]; None if the ring does not take them."""
    largest = max(-lo, hi)
    found = exponential("exp", -largest, largest, frac_bits, nominal, ring_bits, reaching=True)
    return None if found is None else Hyperbolic(found, 1 if name == "cosh" else -1)


def half_sum(a: Arithmetic, x: Any, s: Hyperbolic) -> Body[Any]:
    """(e^x + e^-x) / 2, or with the sign (e^x - e^-x) / 2. Error: that of `power`, of each."""
    up, down = yield from a.together(
        [
            lambda inner: power(inner, x, s.exponential),
            lambda inner: power(inner, inner.sum([(x, -1)]), s.exponential),
        ]
    )
    return a.sum([(up, 1), (down, s.sign)])
