"""Which rings there are."""

from __future__ import annotations

from tercet.ring.native import Kernels
from tercet.ring.ring import Ring
from tercet.ring.ring64 import RING64, Ring64
from tercet.ring.ring128 import RING128, Ring128


def ring(bits: int, native: Kernels | None = None) -> Ring:
    """The ring of integers modulo 2^bits, on kernels of another level where tests ask for it."""
    if bits not in (RING64.bits, RING128.bits):
        raise ValueError(f"there is no ring of {bits} bits, only of {RING64.bits} and {RING128.bits}")
    if native is None:
        return RING64 if bits == RING64.bits else RING128
    return Ring64(native) if bits == RING64.bits else Ring128(native)
