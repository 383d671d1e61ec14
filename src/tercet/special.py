"""`tercet.special`: functions of secret arrays under the names that `scipy.special` has for them."""

from tercet.array.softmax import log_softmax, logsumexp, softmax
from tercet.array.special import erf, erfc, exp10, expit, huber, log_expit, logit, ndtr, softplus

__all__ = [
    "erf",
    "erfc",
    "exp10",
    "expit",
    "huber",
    "log_expit",
    "log_softmax",
    "logit",
    "logsumexp",
    "ndtr",
    "softmax",
    "softplus",
]
