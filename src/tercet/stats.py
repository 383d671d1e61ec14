"""`tercet.stats`: ranks and most frequent values of secret arrays under the names that `scipy.stats` has for them."""

from typing import NoReturn as _NoReturn

from tercet.array.elsewhere import missing as _missing
from tercet.array.runs import mode, rankdata

__all__ = ["mode", "rankdata"]


def __getattr__(name: str) -> _NoReturn:
    raise _missing(__name__, name)
