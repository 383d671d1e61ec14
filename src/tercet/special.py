"""`tercet.special`: functions of secret arrays under the names that `scipy.special` has for them."""

from typing import NoReturn as _NoReturn

from tercet.array.elsewhere import missing as _missing
from tercet.array.entropies import entr, kl_div, rel_entr, xlog1py, xlogy
from tercet.array.gamma import digamma, gammaln
from tercet.array.softmax import log_softmax, logsumexp, softmax
from tercet.array.special import (
    erf,
    erfc,
    erfinv,
    exp10,
    expit,
    huber,
    log_expit,
    log_ndtr,
    logit,
    ndtr,
    ndtri,
    softplus,
)

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfinv",
    "exp10",
    "expit",
    "gammaln",
    "huber",
    "kl_div",
    "log_expit",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "ndtr",
    "ndtri",
    "rel_entr",
    "softmax",
    "softplus",
    "xlog1py",
    "xlogy",
]


def __getattr__(name: str) -> _NoReturn:
    raise _missing(__name__, name)
