"""`tercet.linalg`: norms and sums of products of secret arrays, as the array API's extension of that name and NumPy."""

from typing import NoReturn as _NoReturn

from tercet.array.elsewhere import missing as _missing
from tercet.array.linalg import matmul, norm, outer, tensordot, vecdot, vector_norm

__all__ = ["matmul", "norm", "outer", "tensordot", "vecdot", "vector_norm"]


def __getattr__(name: str) -> _NoReturn:
    raise _missing(__name__, name)
