"""`tercet.special`: functions of secret arrays under the names that `scipy.special` has for them."""

from tercet.array.special import erf, erfc, exp10, expit, log_expit, logit, ndtr, softplus

__all__ = ["erf", "erfc", "exp10", "expit", "log_expit", "logit", "ndtr", "softplus"]
