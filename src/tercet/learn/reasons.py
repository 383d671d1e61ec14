"""Reasons for bounds that models declare: claims of this software, which nodes do not prove."""

from __future__ import annotations

from typing import Final

from tercet.plan.table.reasons import BUILT_IN, FIRST_DECLARED, Reason

SCHUR: Final = Reason(FIRST_DECLARED, "a Schur complement of a scaled covariance matrix has entries in [-1, 1]")
INVERSE: Final = Reason(70, "columns that are not aliased leave each other 2^-24 of their scaled variance")
KNOWN: Final = BUILT_IN.declaring((SCHUR, INVERSE))
"""The reasons that sessions start with: those of plans, and those of models."""
