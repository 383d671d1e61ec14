"""Shares, pair keys and addressed pseudo-random streams."""

from tercet.sharing.keys import SEED_BYTES, TAG_BYTES, SecretMemory, SessionKeys, fresh_seed, joint_seed
from tercet.sharing.share import (
    AROUND,
    PARTIES,
    BitShare,
    Party,
    Share,
    Upload,
    check_doubly_held,
    split,
    split_bits,
)
from tercet.sharing.streams import (
    ALL,
    KEY_BYTES,
    UPLOAD_SEED_BYTES,
    Purpose,
    Streams,
    expand_into,
    expand_pieces,
    expand_seed,
)

__all__ = [
    "ALL",
    "AROUND",
    "KEY_BYTES",
    "PARTIES",
    "SEED_BYTES",
    "TAG_BYTES",
    "UPLOAD_SEED_BYTES",
    "BitShare",
    "Party",
    "Purpose",
    "SecretMemory",
    "SessionKeys",
    "Share",
    "Streams",
    "Upload",
    "check_doubly_held",
    "expand_into",
    "expand_pieces",
    "expand_seed",
    "fresh_seed",
    "joint_seed",
    "split",
    "split_bits",
]
