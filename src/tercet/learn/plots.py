"""Plots of secret data: each reveals the numbers that it draws, in one plan, and says above what they were.

Matplotlib is loaded when something is drawn (`pip install 'tercet[plot]'`). Functions take secret or NumPy columns,
draw on `ax` or on axes of their own, and give these axes; `ax.revealed` says what became plain: counts, sums and
quantiles. Where the session has a cohort (tables of nodes), each bin has to hold as many rows, or none: bins of a
histogram and cells of a table are hidden else, curves are refused (SmallGroup), with fewer bins or thresholds to try. A
session without a cohort shows bins of one row, too.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import tercet.array as namespace
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.statistics.asked import Disclosed, Pending, together
from tercet.statistics.cohorts import beside_quantiles, between
from tercet.statistics.contingency import crosstab
from tercet.statistics.samples import Sample, column, groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_THRESHOLDS = 1000


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise InputError("plots need matplotlib", hint="pip install 'tercet[plot]'") from error
    found: Axes = pyplot.subplots(layout="constrained")[1]
    return found


def _signed(ax: Axes, *revealed: Disclosed) -> Axes:
    """The axes, with what became plain above them."""
    said = "; ".join(dict.fromkeys(str(one) for one in revealed))
    ax.set_title("\n".join(textwrap.wrap(f"revealed: {said}", 70)), loc="left", fontsize=6, color="0.45")
    ax.revealed = said  # type: ignore[attr-defined]
    return ax


def _each(x: Sample, by: Any) -> list[tuple[str, Any, Any]]:
    """The groups of a column: name, mask, and number of rows."""
    found = groups(by, x.rows)
    masks, sizes = found.masks(), found.count(x.there)
    return [(str(label), masks[place], sizes[place]) for place, label in enumerate(found.labels)]


def _asked(arrays: Mapping[str, Any], rows: int, sizes: tuple[Any, ...] = ()) -> Pending[Any]:
    return Pending(arrays, lambda plain, disclosed: (plain, disclosed), rows, sizes)


def distribution(
    x: Any,
    *,
    bins: Any = 30,
    range: tuple[float, float] | None = None,
    by: Any = None,
    density: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """A histogram, of each group with `by`: counts between public edges (`bins` of them from `range`, by default the
    bounds)."""
    sample = column(x)
    ends = sample_range(sample) if range is None else range
    edges = np.histogram_bin_edges(np.zeros(0), bins=bins, range=ends)
    parts = [("all", None, None)] if by is None else _each(sample, by)
    pending = []
    for _, mask, _ in parts:
        one = sample.only(mask)
        values = one.values
        if isinstance(values, SecretArray):
            # what is left out lies beyond the last edge
            inside = values if one.there is None else namespace.where(one.there, values, float(edges[-1]) + 1)
            counts: Any = np.histogram(inside, bins=edges)[0]
        else:
            counts = np.histogram(values if one.there is None else values[one.there], bins=edges)[0]
        pending.append(
            Pending(
                {"counts of bins": counts},
                lambda plain, disclosed: (plain, disclosed),
                sample.rows,
                (counts,),
                apart=True,
            )
        )
    found = together(*pending)
    axes = _axes(ax)
    for (name, _, _), (plain, _) in zip(parts, found, strict=True):
        counts = np.where(plain.get("shown", True), np.asarray(plain["counts of bins"], dtype=np.float64), np.nan)
        if density and np.nansum(counts):
            counts = counts / (np.nansum(counts) * np.diff(edges))
        axes.stairs(counts, edges, fill=by is None, alpha=0.8, label=name)
    axes.set_ylabel("density" if density else "rows")
    if by is not None:
        axes.legend()
    return _signed(axes, *(disclosed for _, disclosed in found))


def sample_range(sample: Sample) -> tuple[float, float]:
    """The bounds of a secret column; of a public one its least and greatest value."""
    values = sample.values
    if isinstance(values, SecretArray):
        lo, hi = values.bounds
        return float(lo), float(hi)
    there = values if sample.there is None else values[sample.there]
    return float(there.min()), float(there.max())


def box(x: Any, *, by: Any = None, ax: Axes | None = None) -> Axes:
    """Boxes from the first to the third quartile with the median, and whiskers to the 5 % and 95 % quantiles: the least
    and greatest values would be those of single rows. Nothing lies beyond the whiskers. Of each group with `by`."""
    sample = column(x)
    parts = [("all", None, sample.count)] if by is None else _each(sample, by)
    pending = []
    for _, mask, size in parts:
        one = sample.only(mask)
        values = one.values
        if one.there is not None:
            values = _present(values, one.there)
        sizes = (size, *beside_quantiles(sample.numbers, size, _QUANTILES))
        pending.append(_asked({"quantiles": np.quantile(values, _QUANTILES)}, sample.rows, sizes))
    found = together(*pending)
    boxes = []
    for (name, _, _), (plain, _) in zip(parts, found, strict=True):
        low, first, median, third, high = (float(one) for one in plain["quantiles"])
        boxes.append({"label": name, "whislo": low, "q1": first, "med": median, "q3": third, "whishi": high})
    axes = _axes(ax)
    axes.bxp(boxes, showfliers=False)
    return _signed(axes, *(disclosed for _, disclosed in found))


def _present(values: Any, there: Any) -> Any:
    from tercet.array.nullable import NullableArray

    if isinstance(values, SecretArray):
        return NullableArray.of_values(values, there)
    return values[there]


def forest(
    estimates: Mapping[str, float] | Any,
    intervals: Any,
    *,
    logarithmic: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Revealed coefficients with their intervals, one a line: `forest(results.params, results.conf_int())`.

    Public numbers only: nothing is revealed by it. `logarithmic`: odds and hazard ratios on a logarithmic axis."""
    names, values = _named(estimates)
    ends = np.asarray(intervals, dtype=np.float64)
    if ends.shape != (len(values), 2):
        raise InputError(f"intervals of shape {ends.shape} for {len(values)} estimates", hint="pass two ends of each")
    axes = _axes(ax)
    places = np.arange(len(values))[::-1]
    axes.errorbar(values, places, xerr=np.abs(ends.T - values), fmt="o", capsize=3)
    axes.axvline(1.0 if logarithmic else 0.0, color="0.6", linewidth=1)
    axes.set_yticks(places, names)
    if logarithmic:
        axes.set_xscale("log")
    axes.set_xlabel("estimate with its interval")
    return axes


def _named(estimates: Any) -> tuple[list[str], NDArray[np.float64]]:
    if isinstance(estimates, Mapping):
        return [str(name) for name in estimates], np.array([float(one) for one in estimates.values()])
    index = getattr(estimates, "index", None)
    values = np.asarray(estimates, dtype=np.float64)
    return [str(name) for name in (range(len(values)) if index is None or callable(index) else index)], values


def survival(fitters: Any, *, ax: Axes | None = None) -> Axes:
    """Kaplan-Meier curves of fitted `KaplanMeierFitter`s (one, a list, or a mapping of names), with their intervals.

    They were revealed when they were fitted, at public times; nothing more is."""
    if isinstance(fitters, Mapping):
        several = list(fitters.items())
    else:
        listed = list(fitters) if isinstance(fitters, Sequence) else [fitters]
        several = [(getattr(one, "label", None) or f"group {place}", one) for place, one in enumerate(listed)]
    axes = _axes(ax)
    for name, fitter in several:
        curve = fitter.survival_function_.iloc[:, 0]
        (line,) = axes.step(curve.index, curve.to_numpy(), where="post", label=str(name))
        ends = fitter.confidence_interval_.to_numpy()
        axes.fill_between(curve.index, ends[:, 0], ends[:, 1], step="post", alpha=0.2, color=line.get_color())
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("time")
    axes.set_ylabel("survival")
    axes.legend()
    return _signed(axes, *(fitter.revealed for _, fitter in several))


# ---- classifiers ----


def _above(y: Any, score: Any, thresholds: Any) -> tuple[Pending[Any], NDArray[np.float64]]:
    """Of each public threshold, how many rows have a score that is not below it, and how many of these are true."""
    truth, scores = _whole(y=y, score=score)
    if isinstance(thresholds, int):
        low, high = sample_range(scores)
        at = np.linspace(low, high, thresholds)
    else:
        at = np.sort(np.asarray(thresholds, dtype=np.float64))
    if not 1 <= len(at) <= MOST_THRESHOLDS:
        raise InputError(f"{len(at)} thresholds", hint=f"1 to {MOST_THRESHOLDS} are drawn")
    values, yes = scores.values, truth.numbers
    above = namespace.expand_dims(values, axis=0) >= at[:, None]
    counted: Any = above * 1
    hits = namespace.matmul(counted, yes) if _secret(counted, yes) else counted @ yes
    arrays = {
        "scores above thresholds": namespace.sum(above, axis=1),
        "true ones above thresholds": hits,
        "true ones": namespace.sum(yes),
    }
    return _asked(arrays, truth.rows, between(arrays["scores above thresholds"], truth.rows)), at


def _secret(*values: Any) -> bool:
    return any(isinstance(value, SecretArray) for value in values)


def _whole(**columns: Any) -> list[Sample]:
    """Columns of the same rows, of which none may be missing: a missing one would be drawn as 0."""
    found = [column(one, name) for name, one in columns.items()]
    if len({one.rows for one in found}) > 1:
        raise InputError(
            f"{' and '.join(columns)} have {[one.rows for one in found]} rows", hint="pass one for each row"
        )
    for name, one in zip(columns, found, strict=True):
        if one.there is not None:
            raise InputError(f"{name} has missing values, or may have", hint="fill them first, as in x.fillna(value)")
    return found


def _counted(plain: Mapping[str, Any]) -> list[NDArray[np.float64]]:
    names = ("scores above thresholds", "true ones above thresholds", "true ones")
    return [np.asarray(plain[name], dtype=np.float64) for name in names]


def roc(y: Any, score: Any, *, thresholds: Any = 100, ax: Axes | None = None, label: str | None = None) -> Axes:
    """The ROC curve at public thresholds (so many equally far apart within the bounds of the scores, or these).

    `y`: bools or 0 and 1. Reveals two counts a threshold; a comparison a row and threshold."""
    pending, _ = _above(y, score, thresholds)
    plain, disclosed = pending.reveal()
    above, hits, positive = _counted(plain)
    negative = pending.rows - positive
    false = np.concatenate([[1.0], (above - hits) / np.maximum(negative, 1), [0.0]])
    true = np.concatenate([[1.0], hits / np.maximum(positive, 1), [0.0]])
    axes = _axes(ax)
    axes.plot(false, true, label=label or "scores")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.legend()
    return _signed(axes, disclosed)


def precision_recall(
    y: Any, score: Any, *, thresholds: Any = 100, ax: Axes | None = None, label: str | None = None
) -> Axes:
    """Precision against recall at public thresholds, as `roc`."""
    pending, _ = _above(y, score, thresholds)
    plain, disclosed = pending.reveal()
    above, hits, positive = _counted(plain)
    some = above > 0
    axes = _axes(ax)
    recall = hits[some] / np.maximum(positive, 1)
    axes.plot(recall, hits[some] / above[some], label=label or "scores")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    axes.legend()
    return _signed(axes, disclosed)


def _binned(x: Sample, others: Mapping[str, Any], bins: Any) -> tuple[Pending[Any], NDArray[np.float64]]:
    """Counts of the bins of a column, and sums of others in each."""
    low, high = sample_range(x)
    edges = np.linspace(low, high, bins + 1) if isinstance(bins, int) else np.asarray(bins, dtype=np.float64)
    if len(edges) < 2:
        raise InputError("no bins", hint="pass a number of bins, or at least two edges")
    values = x.values
    at_least: Any = (namespace.expand_dims(values, axis=0) >= edges[1:-1, None]) * 1
    arrays: dict[str, Any] = {"rows of bins": namespace.sum(at_least, axis=1)}
    for name, other in others.items():
        total = namespace.matmul(at_least, other) if _secret(at_least, other) else at_least @ other
        arrays[name] = total
        arrays[f"{name}, all"] = namespace.sum(other)
    return _asked(arrays, x.rows, between(arrays["rows of bins"], x.rows)), edges


def _apart(above: NDArray[np.float64], whole: float) -> NDArray[np.float64]:
    """What is in each bin, of what is at or above each inner edge."""
    return -np.diff(np.concatenate([[whole], above, [0.0]]))


def calibration(y: Any, probability: Any, *, bins: int = 10, ax: Axes | None = None, label: str | None = None) -> Axes:
    """How often what was predicted with each probability came true: the mean of both in equal bins of [0, 1].

    Reveals for each bin its rows, true ones and the sum of probabilities. An empty bin is not drawn."""
    truth, predicted = _whole(y=y, probability=probability)
    edges = np.linspace(0, 1, bins + 1)
    pending, _ = _binned(predicted, {"true ones": truth.numbers, "sums of probabilities": predicted.values}, edges)
    plain, disclosed = pending.reveal()
    count = _apart(np.asarray(plain["rows of bins"], np.float64), pending.rows)
    true, total = (
        _apart(np.asarray(plain[name], np.float64), float(plain[f"{name}, all"]))
        for name in ("true ones", "sums of probabilities")
    )
    some = count > 0
    axes = _axes(ax)
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot(total[some] / count[some], true[some] / count[some], "o-", label=label or "predictions")
    axes.set_xlabel("mean predicted probability")
    axes.set_ylabel("part that came true")
    axes.legend()
    return _signed(axes, disclosed)


def confusion(y: Any, predicted: Any, *, ax: Axes | None = None) -> Axes:
    """How many rows of each class were predicted as each: the counts are revealed, small ones hidden by the cohort."""
    pending = crosstab.pending(y, predicted)
    table = pending.reveal()
    axes = _axes(ax)
    cells = table.to_numpy(dtype=np.float64)
    axes.imshow(cells, cmap="Blues")
    middle = np.nanmax(cells) / 2 if np.isfinite(cells).any() else 0
    for (row, place), count in np.ndenumerate(cells):
        text = "hidden" if np.isnan(count) else f"{int(count):,}"
        axes.text(place, row, text, ha="center", va="center", color="white" if count > middle else "black")
    axes.set_xticks(np.arange(len(table.columns)), [str(one) for one in table.columns])
    axes.set_yticks(np.arange(len(table.index)), [str(one) for one in table.index])
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return _signed(axes, Disclosed({name: cells.size for name in pending.secret}, pending.rows))


def residuals(fitted: Any, observed: Any, *, bins: int = 20, ax: Axes | None = None) -> Axes:
    """The mean residual, and one standard deviation of residuals around it, in equal bins of the fitted values.

    Reveals for each bin its rows, the sum of residuals and that of their squares."""
    x, y = _whole(fitted=fitted, observed=observed)
    away = y.values - x.values
    pending, edges = _binned(x, {"sums of residuals": away, "sums of squared residuals": away * away}, bins)
    plain, disclosed = pending.reveal()
    count = _apart(np.asarray(plain["rows of bins"], np.float64), pending.rows)
    total, squares = (
        _apart(np.asarray(plain[name], np.float64), float(plain[f"{name}, all"]))
        for name in ("sums of residuals", "sums of squared residuals")
    )
    some = count > 0
    mean = total[some] / count[some]
    spread = np.sqrt(np.maximum(squares[some] / count[some] - mean**2, 0))
    middles = ((edges[1:] + edges[:-1]) / 2)[some]
    axes = _axes(ax)
    axes.axhline(0, color="0.7", linewidth=1)
    axes.errorbar(middles, mean, yerr=spread, fmt="o", capsize=3)
    axes.set_xlabel("fitted value")
    axes.set_ylabel("residual: mean and deviation")
    return _signed(axes, disclosed)
