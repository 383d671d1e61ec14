"""Chapter "Regress": a line or a plane through the points of three owners, fitted under sharing and in plain."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import Field

from tercet.array import concat
from tercet.client.session import Session
from tercet.errors import InputError
from tercet.web.play.split import FromPage

_STORED_BITS = 32
"""Bits of the largest stored number of a column, whatever its unit."""
_MOST_ROWS = 3_000
_LEAST_EXPONENT, _MOST_EXPONENT = -20, 28
Coordinate = Annotated[float, Field(ge=-1e8, le=1e8)]
Point = Annotated[list[Coordinate], Field(min_length=2, max_length=3)]


class PointsAsked(FromPage):
    """The rows of each owner: x, y or x, z, y."""

    owners: Annotated[list[Annotated[list[Point], Field(max_length=_MOST_ROWS)]], Field(min_length=1, max_length=3)]


def _tables(owners: list[list[list[float]]]) -> list[NDArray[np.float64]]:
    widths = {len(point) for rows in owners for point in rows}
    if len(widths) != 1:
        raise InputError("all points have as many coordinates: x and y, or x, z and y", hint="see the owners' files")
    tables = [np.array(rows) for rows in owners if rows]
    count, needed = sum(len(table) for table in tables), widths.pop() + 1
    if count < needed:
        raise InputError(f"{count} points are too few for standard errors", hint=f"give {needed} or more")
    return tables


def _exponent(column: NDArray[np.float64]) -> int:
    """The power of two that bounds a column. Bounds are public: real owners would agree on them before."""
    most = float(np.abs(column).max())
    return min(max(math.ceil(math.log2(most)) if most else 0, _LEAST_EXPONENT), _MOST_EXPONENT)


def _plain(whole: NDArray[np.float64]) -> tuple[list[float], list[float], float]:
    from statsmodels.api import OLS

    fitted = OLS(whole[:, -1], np.column_stack([np.ones(len(whole)), whole[:, :-1]])).fit()
    return fitted.params.tolist(), fitted.bse.tolist(), float(fitted.rsquared)


def regress_routes(computing: Session) -> APIRouter:
    """The route of the chapter, below /api/."""
    routes = APIRouter(prefix="/api")

    @routes.post("/regress")
    def regress(asked: PointsAsked) -> dict[str, Any]:
        """Constant first, then the coefficients in the order of the columns."""
        from tercet.learn.design import add_constant
        from tercet.learn.ordinary import OLS

        tables = _tables(asked.owners)
        whole = np.concatenate(tables)
        columns = []
        with computing.measure() as cost:
            for place in range(whole.shape[1]):
                exponent = _exponent(whole[:, place])
                bound, frac_bits = 2.0**exponent, _STORED_BITS - exponent
                # each owner's rows are split and sent by themselves
                parts = [
                    computing.share(table[:, [place]], bounds=(-bound, bound), frac_bits=frac_bits) for table in tables
                ]
                columns.append(concat(parts))
            shared = OLS(columns[-1][:, 0], add_constant(concat(columns[:-1], axis=1))).fit().reveal()
        params, errors, explained = _plain(whole)
        return {
            "shared": {"params": shared.params.tolist(), "bse": shared.bse.tolist(), "rsquared": shared.rsquared},
            "plain": {"params": params, "bse": errors, "rsquared": explained},
            "revealed": str(shared.revealed),
            "cost": {"rounds": cost.rounds, "bytes_per_party": cost.bytes_per_party, "seconds": cost.seconds},
        }

    return routes
