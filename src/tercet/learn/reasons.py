"""Reasons for bounds that models declare: claims of this software, which nodes do not prove."""

from __future__ import annotations

from typing import Final

from tercet.plan.table.reasons import BUILT_IN, FIRST_DECLARED, Reason
from tercet.statistics.reasons import DECLARED

SCHUR: Final = Reason(FIRST_DECLARED, "a Schur complement of a scaled covariance matrix has entries in [-1, 1]")
INVERSE: Final = Reason(70, "columns that are not aliased leave each other 2^-24 of their scaled variance")
ROTATED: Final = Reason(90, "rotations keep the length of rows and columns, which is at most 1")
VECTOR: Final = Reason(91, "a vector times the power of two that normalises it has a length in [1/2, 1)")
ONE_ROW: Final = Reason(92, "one of all is chosen")
DRAWN_IN: Final = Reason(81, "what lies beyond a limit was replaced by the limit")
PENALISED: Final = Reason(82, "a variance scaled to at most 1 was scaled with its penalty")
MULTIPLIED: Final = Reason(83, "a step towards an inverse makes no eigenvalue larger than its factor does")
APPROACHED: Final = Reason(84, "what approaches an inverse from below is no larger, and its steps are bounded")
CHAINED: Final = Reason(85, "what is left of a gradient after ten limited moves is limited as they are")
DAMPED: Final = Reason(86, "the inverse of a matrix with a number added to its diagonal is below that number's")
_LINEAR: Final = (DRAWN_IN, PENALISED, MULTIPLIED, APPROACHED, CHAINED, DAMPED)
WITHIN_SPREAD: Final = Reason(93, "means and variances of classes lie within the spread of their column")
SOME_ROWS: Final = Reason(94, "so many rows as are asked for are chosen")
_UNSUPERVISED: Final = (ROTATED, VECTOR, ONE_ROW, WITHIN_SPREAD, SOME_ROWS)
SQUARED: Final = Reason(130, "a number times the square of its normaliser lies below a power of two")
KNOWN: Final = BUILT_IN.declaring((*DECLARED, SCHUR, INVERSE, *_LINEAR, *_UNSUPERVISED, SQUARED))
"""The reasons that sessions start with: those of plans, of statistics, and of models."""
