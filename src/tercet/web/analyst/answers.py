"""Answers as JSON: cells of a table, and what a chart of them needs."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel

from tercet.client.aggregates import NOT_SHOWN
from tercet.client.base import JobRecord
from tercet.client.query import Answer, cell_text


class CellTold(BaseModel):
    """One value: its whole text, and the number to draw and sort by where it is one. `hidden`: of too few rows."""

    text: str
    number: float | None = None
    hidden: bool = False


class Told(BaseModel):
    """An answer: a table, of which kind, with a note, and what became plain for it."""

    kind: Literal["query", "regression", "histogram"]
    names: list[str]
    rows: list[list[CellTold]]
    note: str = ""
    revealed: str = ""
    facts: dict[str, str] = {}


class CostTold(BaseModel):
    """What a job took."""

    job: str
    rounds: int
    bytes_per_party: float
    seconds: float


def cost_told(record: JobRecord | None) -> CostTold | None:
    if record is None:
        return None
    return CostTold(
        job=record.job, rounds=record.rounds, bytes_per_party=record.bytes_per_party, seconds=record.seconds
    )


def cell_told(value: Any) -> CellTold:
    """A value of an answer; decimals and whole numbers keep all digits in the text."""
    if value is NOT_SHOWN:
        return CellTold(text="not shown", hidden=True)
    if not isinstance(value, int | Decimal | float) or isinstance(value, bool):
        return CellTold(text=cell_text(value))
    number = float(value)
    if math.isnan(number):
        return CellTold(text="not shown", hidden=True)
    return CellTold(text=cell_text(value), number=number if math.isfinite(number) else None)


def query_told(answer: Answer) -> Told:
    rows = [[cell_told(cell) for cell in row] for row in answer.rows]
    return Told(kind="query", names=list(answer.names), rows=rows, note=answer.note)


def histogram_told(result: Any) -> Told:
    """Of `tercet.stats.histogram`: a bin a row."""
    edges = [float(edge) for edge in result.edges]
    rows = [
        [cell_told(low), cell_told(high), cell_told(float(count))]
        for low, high, count in zip(edges[:-1], edges[1:], result.counts, strict=True)
    ]
    hidden = sum(row[2].hidden for row in rows)
    note = f"{hidden} of {len(rows)} bins are not shown: too few rows are in them" if hidden else ""
    return Told(kind="histogram", names=["from", "to", "rows"], rows=rows, note=note, revealed=str(result.revealed))


def regression_told(result: Any) -> Told:
    """Of `tercet.stats.OLS(...).fit().reveal()`: a coefficient a row, with its interval of 95 %."""
    intervals = result.conf_int()
    rows = []
    for at, name in enumerate(result.names):
        numbers = (result.params[at], result.bse[at], result.tvalues[at], result.pvalues[at], *intervals[at])
        cells = [_estimate(float(number)) for number in numbers]
        if result.aliased[at]:
            cells = [cell_told(0), *[CellTold(text="follows from others")] * 5]
        rows.append([CellTold(text=str(name)), *cells])
    facts = {
        "explained": result.endog_name,
        "rows": f"{result.nobs:,}",
        "R²": f"{result.rsquared:.4f}",
        "adjusted R²": f"{result.rsquared_adj:.4f}",
        "F": f"{result.fvalue:.4g}",
        "p of F": f"{result.f_pvalue:.3g}",
    }
    names = ["of", "coefficient", "standard error", "t", "p", "from (95 %)", "to (95 %)"]
    return Told(kind="regression", names=names, rows=rows, revealed=str(result.revealed), facts=facts)


def _estimate(number: float) -> CellTold:
    return CellTold(text=f"{number:.6g}", number=number if math.isfinite(number) else None)
