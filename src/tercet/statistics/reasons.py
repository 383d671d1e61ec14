"""Reasons for bounds that statistics declare: claims of this software, which nodes do not prove."""

from __future__ import annotations

from typing import Final

from tercet.plan.table.reasons import Reason

Z_SCORE: Final = Reason(120, "no z score of n values is beyond the root of n")
DECLARED: Final = (Z_SCORE,)
