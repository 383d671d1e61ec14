"""Shares, pair keys and addressed pseudo-random streams."""

from tercet.sharing.keys import SEED_BYTES, TAG_BYTES, SessionKeys, fresh_seed, joint_seed
from tercet.sharing.party import PARTIES, Party
from tercet.sharing.secret_memory import SecretMemory
from tercet.sharing.share import BitShare, Share, Upload, check_doubly_held, split, split_bits
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
