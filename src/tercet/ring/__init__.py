"""The lowest floor: arithmetic on arrays modulo 2^64 and 2^128, bits, fixed point; native kernels and their twin."""

from tercet.ring.bits import from_planes, pack_bits, pack_fields, to_planes, unpack_bits, unpack_fields
from tercet.ring.fixed import decode, encode
from tercet.ring.leaf import leaf_deal, leaf_eval
from tercet.ring.native import Kernels, available_levels, kernels, retain_freed_memory
from tercet.ring.ring import U128, Ring
from tercet.ring.ring64 import RING64
from tercet.ring.ring128 import RING128
from tercet.ring.rings import ring

__all__ = [
    "RING64",
    "RING128",
    "U128",
    "Kernels",
    "Ring",
    "available_levels",
    "decode",
    "encode",
    "from_planes",
    "kernels",
    "leaf_deal",
    "leaf_eval",
    "pack_bits",
    "pack_fields",
    "retain_freed_memory",
    "ring",
    "to_planes",
    "unpack_bits",
    "unpack_fields",
]
