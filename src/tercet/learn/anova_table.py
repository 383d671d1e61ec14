"""Tables of the analysis of variance of linear regressions, as statsmodels' `anova_lm` gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tercet.errors import InputError
from tercet.learn.design import Design
from tercet.learn.guard import linear_sizes
from tercet.learn.inputs import array_namespace
from tercet.learn.least_squares import Fitted, by_sums
from tercet.learn.linear_results import SecretResults
from tercet.learn.ordinary import OLS
from tercet.learn.rows import by_rows
from tercet.statistics.asked import Disclosed, Pending, statistic

if TYPE_CHECKING:
    import pandas as pd

Chosen = tuple[int, ...]
"""Which columns are in a model; -1 is the constant."""


@statistic
def anova_lm(*models: Any, typ: int | str = 1) -> Pending[pd.DataFrame]:
    """The table of the analysis of variance of a linear regression made by a formula, or of several that are nested.

    `anova_lm(ols("pay ~ C(sex) * C(sector)", table), typ=2)`: a model, or its results; `typ`: 1 (terms in turn), 2
    (each beside those that do not contain it), or 3 (each beside all others, as they are coded: by treatments).
    `anova_lm(small, large)`: each beside the one before. Type 1 of `wls` takes the weights (statsmodels' leaves them
    out). Reveals, in one plan, for each model that is compared which part of the squares it leaves and which columns
    are aliased, and the sum of squares; `table.attrs["revealed"]` says so. Sums of squares are right to 2^-40 of the
    whole. InputError for robust errors, other types, and models without terms; SmallGroup as in `reveal`.
    """
    found = [one.model if isinstance(one, SecretResults) else one for one in models]
    if not found or not all(isinstance(one, OLS) for one in found):
        raise InputError("anova_lm takes linear regressions: OLS and WLS, or their results")
    if any(one.cov_type != "nonrobust" for one in found):
        raise InputError("robust errors are not offered in tables of variance", hint="fit without cov_type")
    if len(found) > 1:
        return _nested(found)
    if typ not in (1, 2, 3, "I", "II", "III"):
        raise InputError(f"typ={typ!r} is not offered", hint="1, 2 or 3")
    kind = typ if isinstance(typ, int) else len(typ)
    (model,) = found
    if not model.design.terms:
        raise InputError("the model has no terms", hint='make it by a formula: ols("y ~ C(a) * C(b)", data)')
    return _Terms(model, kind).pending()


def _fit(model: OLS, chosen: Chosen) -> Fitted | None:
    """The model of some columns; None of those without any but the constant."""
    design, places = model.design, [place for place in chosen if place >= 0]
    if not places:
        return None
    xp = array_namespace(model.endog, design.columns)
    constant = 0 if -1 in chosen else None
    names = tuple(str(place) for place in chosen)
    part = Design(xp.stack([design.columns[:, place] for place in places], axis=1), names, constant)
    if model.weights is None:
        return by_sums(xp, part, model.endog)
    return by_rows(xp, part, model.endog, model.weights, "nonrobust", None)[0]


def _squares(values: Mapping[str, Any], name: str) -> float:
    if f"root {name}" in values:
        return float(values[f"root {name}"]) ** 2
    return float(values[name])


class _Terms:
    """The models that a table compares, and the table made of what they leave."""

    def __init__(self, model: OLS, kind: int) -> None:
        design = model.design
        self.model, self.kind = model, kind
        terms = dict(design.terms)
        constant = () if design.constant is None else (-1,)
        if kind == 3 and constant:
            terms = {"Intercept": constant, **terms}
        self.names = list(terms)
        self.all = (*constant, *(place for _, places in design.terms for place in places))
        self.pairs: list[tuple[Chosen, Chosen]] = []
        before = constant
        for name, places in terms.items():
            if kind == 1:
                self.pairs.append((before, (*before, *places)))
                before = (*before, *places)
            elif kind == 2:
                parts = set(name.split(":"))
                above = {place for other, more in design.terms if parts < set(other.split(":")) for place in more}
                whole = tuple(place for place in self.all if place not in above)
                self.pairs.append((_without(whole, places), whole))
            else:
                self.pairs.append((_without(self.all, places), self.all))

    def pending(self) -> Pending[pd.DataFrame]:
        model = self.model
        xp = array_namespace(model.endog, model.design.columns)
        every = list(dict.fromkeys([self.all, *(one for pair in self.pairs for one in pair)]))
        fits = {chosen: _fit(model, chosen) for chosen in every}
        shown: dict[str, Any] = {}
        for place, (chosen, fit) in enumerate(fits.items()):
            about = "about the mean" if -1 in chosen else "about 0"
            if fit is None:
                continue
            shown[f"part left by model {place}"] = fit.left
            shown[f"whole of model {place}"] = fit.scaled_total
            shown[f"aliased in model {place}"] = fit.aliased
            if fit.total is not None:
                shown[f"squares {about}"] = fit.total
            else:
                shown[f"root squares {about}"] = fit.root_total
        alone = next((chosen for chosen, fit in fits.items() if fit is None and -1 not in chosen), None)
        if alone is not None and "squares about 0" not in shown and "root squares about 0" not in shown:
            weighed = model.endog if model.weights is None else model.endog * model.weights
            shown["squares about 0"] = xp.sum(weighed * model.endog)
        sizes = linear_sizes(xp, model.design, model.endog, model.weights, None)
        return Pending(shown, lambda values, told: self.table(every, values, told), model.design.rows, sizes)

    def table(self, every: list[Chosen], values: Mapping[str, Any], told: Disclosed) -> pd.DataFrame:
        import pandas as pd
        from scipy import stats

        left, rank = {}, {}
        for place, chosen in enumerate(every):
            about = "about the mean" if -1 in chosen else "about 0"
            total, constant = _squares(values, f"squares {about}"), -1 in chosen
            if f"part left by model {place}" not in values:
                left[chosen], rank[chosen] = total, int(constant)
                continue
            whole = float(values[f"whole of model {place}"])
            left[chosen] = total * float(values[f"part left by model {place}"]) / whole if whole else 0.0
            aliased = np.asarray(values[f"aliased in model {place}"])
            rank[chosen] = int(aliased.size - aliased.sum()) + constant
        rest, free = left[self.all], self.model.design.rows - rank[self.all]
        squares = np.array([left[less] - left[more] for less, more in self.pairs])
        df = np.array([rank[more] - rank[less] for less, more in self.pairs], dtype=float)
        squares = np.where(df > 0, squares, 0.0)  # of terms that others determine, what rounding left
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = squares / df
            f = mean / (rest / free)
        p = stats.f.sf(f, df, free)
        index = [*self.names, "Residual"]
        columns = {
            "df": [*df, float(free)],
            "sum_sq": [*squares, rest],
            "mean_sq": [*mean, rest / free if free else np.nan],
            "F": [*f, np.nan],
            "PR(>F)": [*p, np.nan],
        }
        order = ["df", "sum_sq", "mean_sq", "F", "PR(>F)"] if self.kind == 1 else ["sum_sq", "df", "F", "PR(>F)"]
        table = pd.DataFrame(columns, index=index)[order]
        table.attrs["revealed"] = told
        return table


def _without(places: Iterable[int], some: Iterable[int]) -> Chosen:
    out = set(some)
    return tuple(place for place in places if place not in out)


def _nested(models: list[OLS]) -> Pending[pd.DataFrame]:
    """Each model beside the one before."""
    parts = [one.fit().pending() for one in models]
    rows = models[0].design.rows
    if any(one.design.rows != rows for one in models):
        raise InputError("nested models are of the same rows", hint="fit them to the same table")

    def finish(values: Mapping[str, Any], told: Disclosed) -> pd.DataFrame:
        import pandas as pd
        from scipy import stats

        found = []
        for place, part in enumerate(parts):
            own = {name: values[f"{name} of model {place}"] for name in part.arrays}
            found.append(part.finish(own, told))
        ssr, free = np.array([one.ssr for one in found]), np.array([float(one.df_resid) for one in found])
        df, squares = -np.diff(free), -np.diff(ssr)
        f = squares / df / (ssr[-1] / free[-1])
        nan = np.nan
        table = pd.DataFrame(
            {
                "df_resid": free,
                "ssr": ssr,
                "df_diff": [0.0, *df],
                "ss_diff": [nan, *squares],
                "F": [nan, *f],
                "Pr(>F)": [nan, *stats.f.sf(f, df, free[1:])],
            }
        )
        table.attrs["revealed"] = told
        return table

    arrays = {f"{name} of model {at}": array for at, part in enumerate(parts) for name, array in part.arrays.items()}
    return Pending(arrays, finish, rows, tuple(size for part in parts for size in part.sizes))
