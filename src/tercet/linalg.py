"""`tercet.linalg`: norms, diagonals and sums of products of secret arrays, as the array API's `linalg` and NumPy."""

from typing import NoReturn as _NoReturn

from tercet.array.elsewhere import missing as _missing
from tercet.array.linalg import diagonal, matmul, norm, outer, tensordot, trace, vecdot, vector_norm

__all__ = ["diagonal", "matmul", "norm", "outer", "tensordot", "trace", "vecdot", "vector_norm"]


def __getattr__(name: str) -> _NoReturn:
    raise _missing(__name__, name)
