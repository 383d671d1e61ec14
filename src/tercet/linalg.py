"""`tercet.linalg`: norms and sums of products of secret arrays, as the array API's extension of that name and NumPy."""

from tercet.array.linalg import matmul, norm, outer, tensordot, vecdot, vector_norm

__all__ = ["matmul", "norm", "outer", "tensordot", "vecdot", "vector_norm"]
