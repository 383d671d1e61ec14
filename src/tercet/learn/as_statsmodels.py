"""Results in statsmodels' own classes, and fitted models of statsmodels shared by their owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

import numpy as np

from tercet.array import nn, numeric, special
from tercet.errors import InputError
from tercet.learn.design import design_of
from tercet.learn.model import SecretModel
from tercet.learn.plain import shared

REACH: Final = 20
"""Linear predictors of exponentials count within e^-20 and e^20."""
MOST_INVERSE: Final = 1 << 10
PREDICTED_BITS: Final = 24
FIGURES: Final = {
    "OLS": ("rsquared", "rsquared_adj", "fvalue", "f_pvalue", "ssr", "centered_tss", "uncentered_tss", "llf"),
    "GLM": ("deviance", "pearson_chi2", "llf", "llnull"),
    "discrete": ("llf", "llnull", "llr", "llr_pvalue", "prsquared"),
}

COUNTED: Final = ("Poisson", "NegativeBinomial")


def as_statsmodels(results: Any) -> Any:
    """Plain results as an object of statsmodels' own class for their model, which predicts and prints the same.

    It has no rows: residuals, influence and covariances between estimates are not there, since they were not revealed.
    """
    import statsmodels.api as sm
    from statsmodels.discrete import discrete_model as discrete
    from statsmodels.genmod import generalized_linear_model as glm
    from statsmodels.regression import linear_model as linear

    model, title = results._model, results._model.title
    width = len(results.names) - (title == "NegativeBinomial")  # alpha has no column
    rows = np.vstack([np.eye(width), np.ones((2, width))])
    y = np.arange(width + 2) % 2 + 0.0
    if title in ("OLS", "WLS"):
        plain, base, wrapper = getattr(sm, title)(y, rows), linear.RegressionResults, linear.RegressionResultsWrapper
        figures = FIGURES["OLS"]
    elif title == "GLM":
        plain, base, wrapper = sm.GLM(y, rows, family=_family(model.family)), glm.GLMResults, glm.GLMResultsWrapper
        figures = FIGURES["GLM"]
    elif title == "MNLogit":
        codes = np.arange(len(model.classes))
        plain = sm.MNLogit(np.tile(codes, width + 2), np.repeat(rows, codes.size, axis=0))
        base, wrapper, figures = discrete.MultinomialResults, discrete.MultinomialResultsWrapper, FIGURES["discrete"]
    else:
        plain = getattr(sm, title)(y, rows)
        base = getattr(discrete, f"{title}Results")
        wrapper = getattr(discrete, f"{title if title in COUNTED else 'Binary'}ResultsWrapper")
        figures = FIGURES["discrete"]
    plain.data.xnames, plain.data.ynames = list(results.names), model.endog_name
    plain._data_attr, plain._init_keys = [], []
    own: dict[str, Any] = {
        name: getattr(results, name) for name in (*figures, "aic", "bic", "bse", "tvalues", "pvalues")
    }
    own["nobs"] = float(results.nobs)
    methods: dict[str, Any] = {"conf_int": lambda self, alpha=0.05, cols=None: results.conf_int(alpha)}
    if title in ("OLS", "WLS"):
        methods["summary"] = lambda self, alpha=0.05, **given: results.summary(alpha)
    made: Any = type(base.__name__, (base,), {**own, **methods})
    found = made.__new__(made)
    use_t = results.use_t
    attributes = {
        "model": plain,
        "params": results.params,
        "normalized_cov_params": None,
        "_cache": {},
        "df_model": float(results.df_model),
        "df_resid": float(results.df_resid),
        "scale": float(getattr(results, "scale", 1.0)),
        "cov_type": getattr(results, "cov_type", "nonrobust"),
        "cov_kwds": {"description": "", "use_t": use_t},
        "_use_t": use_t,
        "method": "IRLS" if title == "GLM" else "MLE",
        "converged": getattr(results, "converged", True),
        "mle_retvals": {"converged": getattr(results, "converged", True)},
        "fit_history": {"iteration": getattr(model, "passes", 0)},
        "family": getattr(plain, "family", None),
        "k_constant": int(model.design.constant is not None),
        "_separation_etext": [],
    }
    found.__dict__.update(attributes)
    return wrapper(found)


def _family(family: Any) -> Any:
    import statsmodels.api as sm

    links = {"Identity": "Identity", "Log": "Log", "Logit": "Logit", "InversePower": "InversePower"}
    link = getattr(sm.families.links, links[family.link_title])()
    if family.title == "NegativeBinomial":
        return sm.families.NegativeBinomial(link=link, alpha=family.alpha)
    return getattr(sm.families, family.title)(link=link)


_LINKS: Final = {
    "Identity": "identity",
    "Log": "log",
    "Logit": "logit",
    "Probit": "probit",
    "InversePower": "inverse",
}
_MODELS: Final = {
    "OLS": "identity",
    "WLS": "identity",
    "GLS": "identity",
    "Logit": "logit",
    "Probit": "probit",
    "Poisson": "log",
    "NegativeBinomial": "log",
    "MNLogit": "softmax",
}


class SharedStatsmodel(SecretModel):
    """A fitted model of statsmodels whose coefficients are secret: it predicts means on others' data, under sharing.

    Made by `from_statsmodels(results, session)`. Public are the link, the columns' names and the place of the constant.
    """

    fitted: ClassVar[tuple[str, ...]] = ("params_",)

    def __init__(self, *, link: str = "identity", names: Any = (), constant: int | None = None) -> None:
        self.link = link
        self.names = names
        self.constant = constant

    params_: Any
    """The coefficients, secret; of a multinomial model (p, classes - 1)."""

    def predict(self, exog: Any, *, which: str = "mean") -> Any:
        """Means (m,) of rows, secret; of a multinomial model probabilities (m, classes). `which="linear"`: the linear
        predictor.

        `exog`: as models take it, `add_constant(columns)` where the model has a constant. Linear predictors are drawn
        in to [-20, 20] for exponentials and probabilities, and to [2^-10, 2^10] for the inverse. Raises InputError for
        another number of columns."""
        self.check_fitted()
        design = design_of(exog)
        if design.constant != self.constant or design.width != len(self.names):
            raise InputError(
                f"the model has the columns {', '.join(self.names)}, and these are {', '.join(design.names)}",
                hint="pass add_constant(columns) where it has a constant, with the columns in its order",
            )
        places = [place for place in range(len(self.names)) if place != self.constant]
        xp = next(one for one in (self.params_, design.columns)).__array_namespace__()
        eta = xp.matmul(design.columns, self.params_[np.asarray(places)])
        if self.constant is not None:
            eta = eta + self.params_[self.constant]
        eta = numeric.at_most(eta, PREDICTED_BITS)
        return eta if which == "linear" else _mean(xp, eta, self.link)


def _mean(xp: Any, eta: Any, link: str) -> Any:
    if link == "identity":
        return eta
    if link == "inverse":
        held = xp.clip(eta, 1 / MOST_INVERSE, MOST_INVERSE)
        return numeric.reciprocal(held, 1 << (PREDICTED_BITS - 10), PREDICTED_BITS)
    eta = xp.clip(eta, -REACH, REACH)
    if link == "softmax":
        return nn.softmax(xp.concat([eta[:, :1] * 0, eta], axis=1), dim=1)
    functions: dict[str, Callable[[Any], Any]] = {"log": xp.exp, "logit": special.expit, "probit": special.ndtr}
    return functions[link](eta)


def from_statsmodels(results: Any, session: Any) -> SharedStatsmodel:
    """A fitted model of statsmodels (OLS, WLS, GLM, Logit, Probit, Poisson, NegativeBinomial, MNLogit), shared by its
    owner to predict on others' data.

    Coefficients become secret, with up to 48 fractional bits; public are the link, the columns' names, and the power of
    two above the largest coefficient. Raises InputError for other models and links.
    """
    found = getattr(results, "_results", results)
    model: Any = getattr(found, "model", None)
    name = type(model).__name__
    link = _LINKS.get(type(model.family.link).__name__) if name == "GLM" else _MODELS.get(name)
    if link is None:
        kinds = ", ".join(["GLM", *_MODELS])
        raise InputError(f"{name} is no fitted model of statsmodels that is taken", hint=f"fit one of {kinds}")
    width = model.exog.shape[1]
    params = np.asarray(found.params, dtype=float)[:width]
    constants = np.flatnonzero((model.exog == model.exog[:1]).all(axis=0) & (model.exog[0] == 1))
    constant = int(constants[0]) if constants.size else None
    own = SharedStatsmodel(link=link, names=list(model.exog_names)[:width], constant=constant)
    own.params_ = shared(session, params)
    return own


__all__ = ["SharedStatsmodel", "as_statsmodels", "from_statsmodels"]
