"""Models and statistics beside certified and published values: the second half of `docs/accuracy.md`.

`benchmarks/accuracy.py --models [--write]` runs it in a local session: NIST's reference sets, of which certified digits
are counted, and the data that statsmodels, lifelines and scikit-learn ship, where the largest relative error of
coefficients and of standard errors is taken. Beside ours stands what NumPy or SciPy finds in float64, or our own
code on NumPy arrays.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tercet as tc
from tercet import stats

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from reference_sets import VARIANCE, digits, linear, univariate, variance

HEADING = "## Certified values"
DIGITS = """\
Written by `benchmarks/accuracy.py --models --write`. Digits that agree with NIST's reference sets (StRD), the
least of all coefficients, 15 at most; of a certified 0 those behind the point. Beside them those of float64:
`lstsq`, mean and deviation of NumPy, `f_oneway` of SciPy. Filip's polynomial of degree 10 has columns that leave
each other less than 2^-24, so that some are aliased, as in `lstsq`; the coefficients of Pontius have 80 fractional
bits at most. Wampler1 and 2 are perfect fits: their errors are those of rounding. PiDigits is left out, and so is
NIST's lag-1 autocorrelation, which is none of our statistics."""
BESIDE = """\
The largest relative error beside statsmodels, lifelines and scikit-learn on the data that they ship, in a
session of three parties and of the same code on NumPy arrays. Some of it is theirs: they stop before the end."""
TIGHT: dict[str, Any] = {"tol": 1e-14, "maxiter": 100}


def shared(net: Any, values: Any) -> Any:
    """Bools and whole numbers as such, others with as many fractional bits as fit floats."""
    values = np.asarray(values)
    if set(np.unique(values)) <= {0, 1}:
        return net.share(values.astype(bool))
    top = float(2 ** np.ceil(np.log2(np.abs(values).max() + 1)))
    low = 0 if values.min() >= 0 else -top
    if (values == values.round()).all():
        return net.share(values.astype(np.int64), bounds=(low, top))
    return net.share(values, bounds=(low, top), frac_bits=min(40, 54 - round(np.log2(top))))


def regressions(net: Any) -> Iterator[list[str]]:
    for data in linear():
        columns = {f"x{place}": shared(net, data.x[:, place]) for place in range(data.x.shape[1])}
        design: Any = stats.add_constant(columns) if data.constant else columns
        found = stats.OLS(shared(net, data.y), design).fit().reveal()
        matrix = np.column_stack([np.ones(len(data.y)), data.x]) if data.constant else data.x.astype(float)
        plain = np.linalg.lstsq(matrix.astype(float), data.y, rcond=None)[0]
        ours = digits(found.params, data.coef), digits(found.bse, data.errors)
        told = f"{data.name}, {found.aliased.sum()} aliased" if found.aliased.any() else data.name
        yield [told, *(f"{one:.1f}" for one in (*ours, digits(plain, data.coef)))]


def samples(net: Any) -> Iterator[list[str]]:
    for name, whole, decimals, mean, std in univariate():
        x = net.share(np.array(whole), bounds=(min(whole), max(whole)))
        found = [one / 10**decimals for one in stats.together(stats.mean.pending(x), stats.std.pending(x))]
        values = np.array(whole) / 10**decimals
        ours = digits(found[0], mean), digits(found[1], std)
        yield [name, *(f"{one:.1f}" for one in (*ours, digits(values.mean(), mean), digits(values.std(ddof=1), std)))]


def analyses(net: Any) -> Iterator[list[str]]:
    from scipy.stats import f_oneway

    for name in VARIANCE:
        groups, whole, decimals, certified = variance(name)
        x = net.share(whole, bounds=(int(whole.min()), int(whole.max())))
        found = stats.f_oneway(x, by=net.share(groups - 1, bounds=(0, int(groups.max()) - 1)))
        values = whole / 10**decimals
        plain = f_oneway(*(values[groups == one] for one in np.unique(groups)))
        yield [name, *(f"{digits(one.statistic, certified):.1f}" for one in (found, plain))]


Fits = tuple[Any, Any]
"""Coefficients and standard errors (None: none)."""


def estimates(found: Any) -> Fits:
    return np.asarray(found.params), np.asarray(found.bse)


def models(net: Any) -> Iterator[tuple[str, Callable[[Callable[[Any], Any]], Fits], Fits]]:
    """A name, how the model is fitted to columns that are made secret or left as they are, and the reference."""
    import statsmodels.api as sm
    from lifelines.datasets import load_rossi
    from sklearn import datasets, linear_model
    from statsmodels.duration.hazard_regression import PHReg

    def load(name: str) -> tuple[dict[str, Any], Any, Any]:
        data = getattr(sm.datasets, name).load_pandas()
        x = data.exog.to_frame() if data.exog.ndim == 1 else data.exog
        return {key: x[key].to_numpy() for key in x}, data.endog.to_numpy(), sm.add_constant(x)

    def design(columns: dict[str, Any], made: Callable[[Any], Any]) -> Any:
        return stats.add_constant({name: made(one) for name, one in columns.items()})

    x, y, matrix = load("longley")
    for kind in ("nonrobust", "HC3"):
        yield (
            f"OLS ({kind}), longley",
            lambda made, x=x, y=y, kind=kind: estimates(
                stats.OLS(made(y), design(x, made)).fit(cov_type=kind).reveal()
            ),
            estimates(sm.OLS(y, matrix).fit(cov_type=kind)),
        )
    for name, model, change in (
        ("spector", "Logit", lambda y: y),
        ("spector", "Probit", lambda y: y),
        ("fair", "Poisson", np.round),
        ("anes96", "Logit", lambda y: (y > 3).astype(int)),
    ):
        x, y, matrix = load(name)
        y = change(y)
        yield (
            f"{model}, {name}",
            lambda made, x=x, y=y, model=model: estimates(
                getattr(stats, model)(made(y), design(x, made)).fit().reveal()
            ),
            estimates(getattr(sm, model)(y, matrix).fit(disp=0, **TIGHT)),
        )
    x, y, matrix = load("scotland")
    yield (
        "GLM Gamma, scotland",
        lambda made: estimates(stats.GLM(made(y), design(x, made), family=stats.families.Gamma()).fit().reveal()),
        estimates(sm.GLM(y, matrix, family=sm.families.Gamma()).fit(**TIGHT)),
    )
    rossi = load_rossi()
    columns = {str(name): rossi[name].to_numpy() for name in rossi}
    covariates = np.stack([columns[str(name)] for name in rossi.columns[2:]], axis=1)
    for ties in ("efron", "breslow"):
        wanted = PHReg(columns["week"], covariates, status=columns["arrest"], ties=ties).fit()

        def cox(made: Callable[[Any], Any], ties: str = ties) -> Fits:
            model = stats.CoxPHFitter(ties=ties).fit({n: made(c) for n, c in columns.items()}, "week", "arrest")
            found = model.reveal_summary()
            return found.params, found.standard_errors

        yield f"Cox ({ties}), rossi", cox, (wanted.params, wanted.bse)
    X, target = datasets.load_diabetes(return_X_y=True, scaled=False)
    for own, plain in (
        (tc.linear_model.LinearRegression(), linear_model.LinearRegression()),
        (tc.linear_model.Ridge(alpha=3.0), linear_model.Ridge(alpha=3.0)),
    ):

        def fit(made: Callable[[Any], Any], own: Any = own) -> Fits:
            coef = own.fit(made(X), made(target)).coef_
            return (coef.reveal() if hasattr(coef, "reveal") else coef), None

        yield f"{type(plain).__name__}, diabetes", fit, (plain.fit(X, target).coef_, None)


def errors(found: Fits, wanted: Fits) -> list[str]:
    return [
        "" if one is None or other is None else f"{np.max(np.abs(np.asarray(one) / np.asarray(other) - 1)):.0e}"
        for one, other in zip(found, wanted, strict=True)
    ]


def compared(net: Any) -> Iterator[list[str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, fit, wanted in models(net):
            yield [name, *errors(fit(lambda x: shared(net, x)), wanted), *errors(fit(lambda x: x), wanted)]


def table(head: list[str], rows: Iterator[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]


def section(net: Any) -> str:
    text = [
        HEADING,
        "",
        DIGITS,
        "",
        *table(["linear regression", "coefficients", "standard errors", "NumPy, coefficients"], regressions(net)),
        "",
        *table(["univariate", "mean", "deviation", "NumPy, mean", "NumPy, deviation"], samples(net)),
        "",
        *table(["analysis of variance", "F", "SciPy, F"], analyses(net)),
        "",
        BESIDE,
        "",
        *table(
            ["model", "coefficients", "standard errors", "on NumPy, coefficients", "on NumPy, standard errors"],
            compared(net),
        ),
    ]
    return "\n".join(text) + "\n"
