"""Reasons for bounds that models declare: claims of this software, which nodes do not prove."""

from __future__ import annotations

from typing import Final

from tercet.plan.table.reasons import BUILT_IN, FIRST_DECLARED, Reason

SCHUR: Final = Reason(FIRST_DECLARED, "a Schur complement of a scaled covariance matrix has entries in [-1, 1]")
KNOWN: Final = BUILT_IN.declaring((SCHUR,))
"""The reasons that sessions start with: those of plans, and those of models."""
