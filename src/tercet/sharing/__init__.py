"""Shares, pair keys and addressed pseudo-random streams."""

from tercet.sharing.keys import SEED_BYTES, SessionKeys, fresh_seed
from tercet.sharing.party import PARTIES, Party
from tercet.sharing.share import BitShare, Share, Upload, check_doubly_held, split, split_bits, word_count
from tercet.sharing.streams import KEY_BYTES, Purpose, Streams, expand_into, expand_pieces, expand_seed

__all__ = [
    "KEY_BYTES",
    "PARTIES",
    "SEED_BYTES",
    "BitShare",
    "Party",
    "Purpose",
    "SessionKeys",
    "Share",
    "Streams",
    "Upload",
    "check_doubly_held",
    "expand_into",
    "expand_pieces",
    "expand_seed",
    "fresh_seed",
    "split",
    "split_bits",
    "word_count",
]
