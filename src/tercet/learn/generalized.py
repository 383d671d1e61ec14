"""Generalised linear models under statsmodels' names: `GLM`, `Logit`, `Probit`, `Poisson`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tercet.array import numeric
from tercet.errors import InputError
from tercet.learn import families as kinds
from tercet.learn import printed
from tercet.learn.design import Design, column, design_of
from tercet.learn.families import Likelihood
from tercet.learn.inputs import array_namespace, not_negative
from tercet.learn.likelihood import LikelihoodFigures
from tercet.learn.linear_results import (
    Coefficients,
    arranged,
    asked,
    clusters,
    of_clusters,
    passes_of,
    settled,
)
from tercet.learn.scoring import Estimated, estimated
from tercet.plan.record.explain import Explanation
from tercet.statistics.asked import Disclosed, Pending

PASSES = 9
LINKS: dict[str, dict[str, Callable[[], Likelihood]]] = {
    "Gaussian": {"identity": kinds.Gaussian, "log": kinds.GaussianLog},
    "Binomial": {"logit": kinds.Logistic},
    "Poisson": {"log": kinds.CountsLog},
    "Gamma": {"inverse_power": kinds.GammaInverse, "log": kinds.GammaLog},
}


class families:
    """Families of `GLM` under statsmodels' names, each with its canonical link unless `link=` says "log"."""

    @staticmethod
    def Gaussian(link: str = "identity") -> Likelihood:
        """Normal, with the identity or "log"."""
        return _family("Gaussian", link)

    @staticmethod
    def Binomial(link: str = "logit") -> Likelihood:
        """Of bools, 0 and 1, or successes and failures (n, 2), with the logit; for the probit there is `Probit`."""
        return _family("Binomial", link)

    @staticmethod
    def Poisson(link: str = "log") -> Likelihood:
        """Of counts, with the logarithm."""
        return _family("Poisson", link)

    @staticmethod
    def Gamma(link: str = "inverse_power") -> Likelihood:
        """Of numbers above 0, with the inverse or "log"."""
        return _family("Gamma", link)

    @staticmethod
    def NegativeBinomial(alpha: float = 1.0) -> Likelihood:
        """Of counts with variance mean + alpha mean^2, alpha public, with the logarithm."""
        if not 2.0**-10 <= alpha <= 2.0**10:
            raise InputError(f"alpha={alpha} is not within [2^-10, 2^10]")
        return kinds.Dispersed(float(alpha))


def _family(name: str, link: Any) -> Likelihood:
    offered = LINKS[name]
    if link not in offered:
        raise InputError(f"link={link!r} is not offered for {name}", hint=f"one of {', '.join(map(repr, offered))}")
    return offered[link]()


class GLM:
    """A generalised linear model, as statsmodels has it: `GLM(y, add_constant(X), family=families.Poisson()).fit()`.

    `endog`: y (n,), or successes and failures (n, 2) of a Binomial; `exog`: as `OLS` takes it; secret, or NumPy arrays.
    `offset` (n,): added to the linear predictor; `exposure` (n,): its logarithm is. `freq_weights` (n,): how many rows
    each stands for; `var_weights` (n,): by how much its variance is smaller; public or secret, not negative. Nothing is
    revealed before `reveal()` or `summary()` of the results. Secret counts, weights and numbers above 0 that are below
    0 count as 0. Bounds may be far wider than y and weights are, at 15 comparisons a row. Raises InputError for what
    does not fit or is not offered.
    """

    title = "GLM"
    whole: ClassVar[bool] = True
    heading: ClassVar[str] = "Generalized Linear Model Regression Results"

    def __init__(
        self,
        endog: Any,
        exog: Any,
        family: Likelihood | None = None,
        offset: Any = None,
        exposure: Any = None,
        freq_weights: Any = None,
        var_weights: Any = None,
        *,
        endog_name: str = "y",
    ) -> None:
        self.design: Design = design_of(exog)
        self.family = kinds.Gaussian() if family is None else family
        if not isinstance(self.family, Likelihood):
            raise InputError(f"family={family!r} is none of tercet.stats.families")
        self.endog_name = endog_name
        self.trials: Any = None
        if np.ndim(endog) == 2:
            successes, failures = (
                not_negative(column(endog[:, at], name), name) for at, name in enumerate(("successes", "failures"))
            )
            self.endog, self.trials = successes, successes + failures
        else:
            self.endog = column(endog, endog_name)
        rows, width = self.design.rows, self.design.width
        if self.endog.shape[0] != rows:
            raise InputError(f"y has {self.endog.shape[0]} rows and the columns {rows}")
        if rows <= width:
            raise InputError(f"{width} coefficients of {rows} rows", hint="pass more rows than columns")
        if self.family.needs_constant and self.design.constant is None:
            raise InputError(f"the link {self.family.link_title} needs a constant", hint="add_constant(columns)")
        self.endog = _undivided(self.endog)
        if type(self.family) is not kinds.Gaussian:
            self.endog = not_negative(self.endog, f"y of {self.family.title}")
        self.family.set_up(self.endog, self.trials)
        self.offset = None if offset is None else column(offset, "offset")
        if exposure is not None:
            logarithm = array_namespace(exposure).log(column(exposure, "exposure"))
            self.offset = logarithm if self.offset is None else self.offset + logarithm
        self.passes = PASSES
        self.cov_type, self.groups = "nonrobust", 0
        self.weights = (self._weights(freq_weights, "freq_weights"), self._weights(var_weights, "var_weights"))
        if var_weights is not None and isinstance(self.family, kinds.GammaLog):
            raise InputError("var_weights are not offered for Gamma", hint="its likelihood takes freq_weights alone")

    def _weights(self, given: Any, name: str) -> Any:
        if given is None:
            return None
        found = column(given, name)
        if found.shape != self.endog.shape:
            raise InputError(f"{name} of {found.shape[0]} rows, y of {self.design.rows}", hint="pass one for each row")
        return not_negative(found, name)

    @classmethod
    def from_formula(cls, formula: str, data: Mapping[str, Any], **options: Any) -> Any:
        """The model of a formula; see `tercet.stats.ols`."""
        from tercet.learn.formula import parsed

        y, name, design = parsed(formula, data)
        return cls(y, design, **options, endog_name=name)

    def fit(
        self,
        maxiter: int = PASSES,
        method: str = "IRLS",
        cov_type: str = "nonrobust",
        cov_kwds: Any = None,
    ) -> SecretEstimates:
        """Fit under sharing by `maxiter` passes, all of which are made: a test of convergence would tell when it came
        true. `results.step` says how large the last step was; the error left is about its square (9 passes bring 1e-8
        on ordinary data). Steps of standardised coefficients are at most 2, and they are held within 64.

        Each pass works out the mean row by row, and the information as one matrix product; about 40 rounds a column.
        `Logit` inverts by multiplication, in 48 rounds, and of 20,000 rows and more takes some public ones first.
        Errors: coefficients and standard errors to about 1e-7 relative, from 20,000 rows on by rounding each row to
        2^-24. `cov_type`: nonrobust; HC0 to HC3, which are the same here, as in statsmodels; or cluster with
        `cov_kwds={"groups": codes}`, as `OLS` takes it: they stand on the information that is observed. Other methods
        are refused.
        """
        if method not in ("IRLS", "newton"):
            raise InputError(f"method={method!r} is not offered", hint="passes are Fisher's scoring: leave it out")
        groups = clusters(cov_type, cov_kwds)
        self.passes = passes_of(maxiter)
        self.cov_type = cov_type
        xp = array_namespace(self.endog, self.design.columns)
        found = estimated(
            xp,
            self.design,
            self.endog,
            self.trials,
            self.offset,
            self.family,
            maxiter,
            whole=self.whole,
            weights=self.weights,
            robust=cov_type != "nonrobust",
            groups=groups,
        )
        return SecretEstimates(self, found)


def refuse(title: str, given: Mapping[str, Any], hint: str) -> None:
    """InputError for what a model does not take, such as weights: statsmodels' own of that name does not either."""
    if given:
        raise InputError(f"{title} takes no {', '.join(given)}", hint=hint)


def _undivided(y: Any) -> Any:
    """y with its decimals worked out."""
    number, over = numeric.numerator(y)
    return y if over == 1 else numeric.at_precision(numeric.at_precision(number, 30) * (1 / float(over)), 30)


class Logit(GLM):
    """Logistic regression of bools, or 0 and 1, as statsmodels has it; see `GLM`."""

    title = "Logit"
    whole = False
    heading = "Logit Regression Results"
    likelihood: ClassVar[Callable[[], Likelihood]] = kinds.Logistic

    no_weights: ClassVar[str] = "GLM of the same family takes freq_weights and var_weights"

    def __init__(
        self, endog: Any, exog: Any, offset: Any = None, exposure: Any = None, *, endog_name: str = "y", **more: Any
    ) -> None:
        refuse(self.title, more, self.no_weights)
        super().__init__(endog, exog, type(self).likelihood(), offset, exposure, endog_name=endog_name)
        if self.trials is not None:
            raise InputError(f"{self.title} takes one column y", hint="GLM with families.Binomial() takes (n, 2)")


class Probit(Logit):
    """Probit regression of bools, or 0 and 1, as statsmodels has it; see `GLM`."""

    title = "Probit"
    heading = "Probit Regression Results"
    likelihood = kinds.Normit


class Poisson(Logit):
    """Poisson regression of counts, as statsmodels has it; see `GLM`."""

    title = "Poisson"
    heading = "Poisson Regression Results"
    likelihood = kinds.CountsLog


class SecretEstimates:
    """Results of a generalised linear model, nothing of which is plain yet. Attributes are secret arrays; `reveal()`
    and `summary()` open, in one plan, what the summary shows, and nothing else."""

    def __init__(self, model: GLM, found: Estimated) -> None:
        self.model = model
        self.found = found
        self._opened: GeneralizedResults | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model.title} on {self.model.design!r}; secret: reveal() or summary())"

    @property
    def params(self) -> Any:
        """The coefficients (p,), secret, the constant's at its place; 40 fractional bits at most."""
        features, constant = settled(self.found.coef), settled(self.found.constant)
        return self.model.design.arranged(array_namespace(features), features, constant)

    @property
    def step(self) -> Any:
        """How large the last step was, secret, of standardised coefficients."""
        return self.found.step

    def _shown(self) -> dict[str, Any]:
        found = self.found
        shown = {
            name: getattr(found, name)
            for name in ("coef", "constant", "spread", "constant_spread", "aliased", "capped")
        }
        shown = {**shown, "step": found.step, **found.sums}
        return {name: value for name, value in shown.items() if value is not None}

    def explain(self) -> Explanation:
        """What `reveal` and `summary` will cost, and what becomes plain."""
        return self.pending().explain()

    def pending(self) -> Pending[GeneralizedResults]:
        """What `reveal` would open, before anything runs, for `tercet.stats.together`."""
        found = self.found
        return asked(
            self._shown(),
            lambda values, told: GeneralizedResults(self.model, values, told, found.root_unit, found.groups),
            self.model.design.rows,
            found.sizes,
        )

    def reveal(self) -> GeneralizedResults:
        """The results in plain, by one plan; the second time what was revealed before. Raises SmallGroup where the
        session has a cohort, and an estimate rests on fewer rows."""
        if self._opened is None:
            self._opened = self.pending().reveal()
        return self._opened

    def summary(self, alpha: float = 0.05) -> printed.Summary:
        """The table of `reveal().summary()`."""
        return self.reveal().summary(alpha)


class GeneralizedResults(Coefficients, LikelihoodFigures):
    """Results of a generalised linear model in plain, under statsmodels' names."""

    def __init__(
        self, model: GLM, values: dict[str, NDArray[Any]], revealed: Disclosed, unit: float, groups: int
    ) -> None:
        design, family = model.design, model.family
        self.nobs = design.rows
        flags = values["aliased"]
        self.aliased = flags[: len(flags)] if design.constant is None else np.insert(flags[:-1], design.constant, False)
        self.capped = arranged(design, values["capped"], False)
        self._width = width = design.width - int(self.aliased.sum())
        self.df_model = width - (design.constant is not None)
        self.step = float(values["step"])
        """How large the last step was, of standardised coefficients; of `Logit` no less than what its inverse lacks."""
        of_all = {"rows": float(self.nobs), "sum of weights": float(self.nobs)}
        self._sums = of_all | {name: float(value) for name, value in values.items() if value.ndim == 0}
        counted = self._sums["rows"]
        self.df_resid = (round(counted) if abs(counted - round(counted)) < 1e-6 else counted) - width
        self._model, self._family = model, family
        self.cov_type: str = model.cov_type
        factor = unit * of_clusters(groups, self.nobs, width)
        if family.dispersed and self.cov_type == "nonrobust":
            factor *= math.sqrt(self._sums["chi2"] / self.df_resid)
        params = arranged(design, values["coef"], values.get("constant"))
        bse = arranged(design, values["spread"], values.get("constant_spread")) * factor
        super().__init__(design.names, params, bse, None, revealed)

    @property
    def pearson_chi2(self) -> float:
        """Pearson's chi-square; NaN of `Logit`, `Probit` and `Poisson`, which do not work it out."""
        return self._sums.get("chi2", math.nan)

    @property
    def scale(self) -> float:
        """The dispersion: estimated where the family has one, else 1."""
        return self.pearson_chi2 / self.df_resid if self._family.dispersed else 1.0

    @property
    def deviance(self) -> float:
        """The deviance."""
        return self._family.deviance(self._sums)

    @property
    def llf(self) -> float:
        """The log-likelihood."""
        return self._family.llf(self._sums, self._sums["sum of weights"], self.scale)

    @property
    def llnull(self) -> float:
        """The log-likelihood with a constant alone; of models with an offset it is that without it."""
        return self._family.llnull(self._sums, self._sums["sum of weights"], self.scale)

    def pseudo_rsquared(self, kind: str = "cs") -> float:
        """Cox and Snell's pseudo R2 ("cs"), or McFadden's ("mcf")."""
        if kind not in ("cs", "mcf"):
            raise InputError(f"kind={kind!r} is not offered", hint="cs or mcf")
        return 1 - math.exp(-self.llr / self.nobs) if kind == "cs" else self.prsquared

    def summary(self, alpha: float = 0.05) -> printed.Summary:
        """A table as statsmodels prints it."""
        table = printed.coefficients(self.names, self._columns(alpha), "z", alpha, range(len(self.names)))
        return printed.Summary([*self._head(), *table, *self._notes(self.names)])

    def _head(self) -> list[str]:
        model, family = self._model, self._family
        if type(model) is not GLM:
            return super()._head()
        left = [
            ("Dep. Variable:", model.endog_name),
            ("Model:", "GLM"),
            ("Model Family:", family.title),
            ("Link Function:", family.link_title),
            ("Method:", "IRLS"),
            *printed.now(),
            ("No. Iterations:", f"{model.passes}"),
            ("Covariance Type:", self.cov_type),
        ]
        right = [
            ("No. Observations:", f"{self.nobs}"),
            ("Df Residuals:", f"{self.df_resid}"),
            ("Df Model:", f"{self.df_model}"),
            ("Scale:", f"{self.scale:#.5g}"),
            ("Log-Likelihood:", f"{self.llf:#.5g}"),
            ("Deviance:", f"{self.deviance:#.5g}"),
            ("Pearson chi2:", f"{self.pearson_chi2:#.3g}"),
            ("Pseudo R-squ. (CS):", f"{self.pseudo_rsquared():#.4g}"),
        ]
        return printed.head(model.heading, left, right)


def glm(formula: str, data: Mapping[str, Any], family: Likelihood | None = None, **options: Any) -> GLM:
    """`GLM` of a formula; see `ols`."""
    model: GLM = GLM.from_formula(formula, data, family=family, **options)
    return model


def logit(formula: str, data: Mapping[str, Any], **options: Any) -> Logit:
    """`Logit` of a formula; see `ols`."""
    model: Logit = Logit.from_formula(formula, data, **options)
    return model


def probit(formula: str, data: Mapping[str, Any], **options: Any) -> Probit:
    """`Probit` of a formula; see `ols`."""
    model: Probit = Probit.from_formula(formula, data, **options)
    return model


def poisson(formula: str, data: Mapping[str, Any], **options: Any) -> Poisson:
    """`Poisson` of a formula; see `ols`."""
    model: Poisson = Poisson.from_formula(formula, data, **options)
    return model
