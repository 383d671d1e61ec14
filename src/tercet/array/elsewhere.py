"""What to use in place of what SciPy and torch have and `tercet.stats`, `special`, `nn` and `linalg` do not."""

from __future__ import annotations

from tercet.array.instead import FUNCTIONS, LINEAR

_Z = "(x - x.mean()) / x.std()"
_LOG_BETA = "tercet.special.gammaln(x) + tercet.special.gammaln(y) - tercet.special.gammaln(x + y)"
_LOG_BINOM = "tercet.special.gammaln(x + 1) - tercet.special.gammaln(y + 1) - tercet.special.gammaln(x - y + 1)"

STATS = {
    "gzscore": "(numpy.log(x) - numpy.log(x).mean()) / numpy.log(x).std()",
    "entropy": "tercet.special.entr(x / x.sum()).sum()",
    "variation": "x.std() / x.mean()",
    "scoreatpercentile": "numpy.percentile(x, 30)",
}
"""Of secret arrays x and y of one axis, as expressions. Tests compute them."""

SPECIAL = {
    **dict.fromkeys(("sigmoid", "logistic"), "tercet.special.expit(x)"),
    "gamma": "numpy.exp(tercet.special.gammaln(x))",
    "loggamma": "tercet.special.gammaln(x)",
    **dict.fromkeys(("psi", "polygamma"), "tercet.special.digamma(x)"),
    "factorial": "numpy.exp(tercet.special.gammaln(x + 1))",
    "betaln": _LOG_BETA,
    "beta": f"numpy.exp({_LOG_BETA})",
    **dict.fromkeys(("comb", "binom"), f"numpy.exp({_LOG_BINOM})"),
    "boxcox": "(x**0.5 - 1) / 0.5",
    "boxcox1p": "((1 + x)**0.5 - 1) / 0.5",
}

NN = {
    "sigmoid": "tercet.special.expit(x)",
    "tanh": "tercet.tanh(x)",
    "softplus": "tercet.special.softplus(x)",
    "logsigmoid": "tercet.special.log_expit(x)",
    "relu6": "numpy.clip(x, 0, 6)",
    "hardsigmoid": "numpy.clip(x / 6 + 0.5, 0, 1)",
    "mish": "x * tercet.tanh(tercet.special.softplus(x))",
    "normalize": "x / numpy.linalg.norm(x)",
    "cosine_similarity": "(x * y).sum() / (numpy.linalg.norm(x) * numpy.linalg.norm(y))",
}

_TABLES = {
    "tercet.stats": (
        STATS,
        "here are rankdata and mode; NumPy's functions have means, quantiles, correlations and histograms, "
        "tercet.special.ndtr is the normal distribution, and a session draws random numbers",
    ),
    "tercet.special": (SPECIAL, "tercet.array.piecewise_polynomial computes other functions of one number"),
    "tercet.nn": (NN, "tercet.special has functions of one number, and x @ y is the product of matrices"),
    "tercet.linalg": ({"cross": FUNCTIONS["cross"]}, LINEAR),
}


def missing(module: str, name: str) -> AttributeError:
    """The error for a name that one of these modules does not have, with what to write instead."""
    known, others = _TABLES[module]
    said = f": write {known[name]}" if name in known else "" if name.startswith("_") else f": {others}"
    return AttributeError(f"module {module!r} has no attribute {name!r}{said}")
