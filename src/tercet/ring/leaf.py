"""First level of the table comparison, on packed bits (protocols page 5.5).

Each group of k bits of the two halves c + r of a value is compared through a table of 2^k entries that is one-hot at
2^k - 1 - r. The exclusive or of all entries is 1, so only the first 2^k - 1 are shared. Arrays are bit planes:
(groups, k, words) for values, (groups, 2^k - 1, words) for tables, 1 <= k <= 5.
"""

from __future__ import annotations

import numpy as np

from tercet.ring.arrays import Bits
from tercet.ring.native import NATIVE, Kernels


def leaf_deal(r_planes: Bits, own: Bits, *, out: Bits | None = None, native: Kernels = NATIVE) -> Bits:
    """D's message: entry j is [r == 2^k - 1 - j] xor own[j]."""
    if out is None:
        out = np.empty(own.shape, np.uint64)
    native.leaf_deal(r_planes, own, out)
    return out


def leaf_eval(c_planes: Bits, share: Bits, last_ones: bool, *, native: Kernels = NATIVE) -> tuple[Bits, Bits]:
    """(P, G), each (groups, words), from one holder's share of the tables: P = share[c], G = xor of share[t] for t < c.

    The last entry of the share is the xor of the others, complemented if `last_ones`: one of the two holders sets it.
    """
    shape = c_planes.shape[0], c_planes.shape[-1]
    p, g = np.empty(shape, np.uint64), np.empty(shape, np.uint64)
    native.leaf_eval(c_planes, share, last_ones, p, g)
    return p, g
