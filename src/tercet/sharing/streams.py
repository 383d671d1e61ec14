"""Keyed pseudo-random streams, addressed and never reused (AES-128-CTR, NIST SP 800-38A)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from tercet.errors import IntegrityError

KEY_BYTES = 16
_NONCE_BYTES = 8
UPLOAD_SEED_BYTES = KEY_BYTES + _NONCE_BYTES
"""Of what an uploaded component stands for: a key and a nonce, both fresh, so that no table made beforehand of what
keys begin with is of use, however many uploads there are."""
_BLOCK_BYTES = 16
_ZERO_BLOCK_BYTES = 1 << 17
"""What is encrypted at a time; it should leave the cache to what it is encrypted into."""
_MAX_DRAW_BYTES = (1 << 32) * 16
_COUNTER_BLOCK = struct.Struct(">QII")


class Purpose(IntEnum):
    """What a draw inside one step is for; part of its address, so that no two draws coincide."""

    MASK = 1
    OUTPUT = 2
    TABLE = 3
    WRAP_A = 4
    WRAP_B = 5
    TERM = 6
    TERM_B = 7
    COIN = 8
    SCALE = 9
    BLIND = 10
    ZERO = 11
    ORDER = 12


ALL = 0
"""In the place of a component: the stream that all three parties know, and nobody else."""


Note: TypeAlias = "Callable[[int, int, int, Purpose, int], None]"
"""Gets component, instance, step, purpose and number of bytes of a draw."""


class Streams:
    """The streams of one party in one job: component k's stream is known to parties k and prev(k), one to all three.

    Held by one party. The counter block is instance (64 bits), step (24), purpose (8), block (32),
    so two draws can only overlap if they have the same address, which raises in every build.
    """

    __slots__ = ("_encryptors", "_note", "_used", "_zeros")

    def __init__(self, keys: Mapping[int, bytes | memoryview]) -> None:
        """`keys`: of the two components that this party holds, and of ALL."""
        # its annotations do not know that it writes into any buffer
        self._encryptors: dict[int, Any] = {
            component: Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor() for component, key in keys.items()
        }
        self._used: set[tuple[int, int, int]] = set()
        self._zeros = memoryview(bytes(_ZERO_BLOCK_BYTES))
        self._note: Note | None = None

    def note(self, note: Note) -> None:
        """Call `note` with the address and the size of every draw from now on."""
        self._note = note

    def __repr__(self) -> str:
        return f"Streams(components={sorted(int(c) for c in self._encryptors if c != ALL)})"

    def fill(self, component: int, instance: int, step: int, purpose: Purpose, out: NDArray[np.uint8]) -> None:
        """Fill `out` (flat bytes) with the stream at this address; IntegrityError if it was drawn before.

        `component` is a party's number, or ALL for the stream that all three parties know.
        """
        low = step << 8 | purpose
        used = self._used
        before = len(used)
        used.add((component, instance, low))
        if len(used) == before:
            raise IntegrityError(
                f"random stream address reused: component {int(component)}, instance {instance:#x}, step {step}, "
                f"purpose {purpose.name}",
                hint="this is a defect in a protocol; start a new job",
            )
        size = out.nbytes
        if self._note is not None:
            self._note(component, instance, step, purpose, size)
        encryptor = self._encryptors[component]
        encryptor.reset_nonce(_COUNTER_BLOCK.pack(instance, low, 0))
        if size <= _ZERO_BLOCK_BYTES:
            encryptor.update_into(self._zeros[:size], out)
            return
        if size > _MAX_DRAW_BYTES:
            raise ValueError(f"a draw of {size} bytes exceeds the counter; split it")
        for start in range(0, size, _ZERO_BLOCK_BYTES):
            piece = out[start : start + _ZERO_BLOCK_BYTES]
            encryptor.update_into(self._zeros[: piece.nbytes], piece)


def expand_seed(seed: bytes, nbytes: int) -> NDArray[np.uint8]:
    """The bytes that a fresh 24-byte seed stands for; client and the two holders call it.

    AES-128 in counter mode under the first 16 bytes; a counter block is the last 8 bytes, then the number of the block.
    A seed is drawn from the operating system for one array and never used for another.
    """
    out = np.empty(nbytes, dtype=np.uint8)
    expand_into(out, seed)
    return out


def expand_into(out: NDArray[np.uint8], seed: bytes, start: int = 0) -> None:
    """Fill `out` (flat bytes) with what `expand_seed` gives from byte `start` on; costs nothing for what is before."""
    block, ahead = divmod(start, _BLOCK_BYTES)
    encryptor = _from_block(seed, block)
    encryptor.update(bytes(ahead))
    zeros = memoryview(bytes(min(out.nbytes, _ZERO_BLOCK_BYTES)))
    for at in range(0, out.nbytes, _ZERO_BLOCK_BYTES):
        piece = out[at : at + _ZERO_BLOCK_BYTES]
        encryptor.update_into(zeros[: piece.nbytes], piece.data)


def expand_pieces(seed: bytes, nbytes: int) -> Iterator[NDArray[np.uint8]]:
    """What `expand_seed` gives, piece after piece in one small buffer: each is gone when the next is asked for."""
    zeros = memoryview(bytes(min(nbytes, _ZERO_BLOCK_BYTES)))
    piece = np.empty(len(zeros), np.uint8)
    encryptor = _from_block(seed, 0)
    for at in range(0, nbytes, _ZERO_BLOCK_BYTES):
        piece = piece[: nbytes - at]
        encryptor.update_into(zeros[: piece.nbytes], piece.data)
        yield piece


def _from_block(seed: bytes, block: int) -> Any:
    if len(seed) != UPLOAD_SEED_BYTES:
        raise ValueError(f"a seed has {UPLOAD_SEED_BYTES} bytes, not {len(seed)}")
    counter = bytes(seed[KEY_BYTES:]) + block.to_bytes(_BLOCK_BYTES - _NONCE_BYTES, "big")
    return Cipher(algorithms.AES(seed[:KEY_BYTES]), modes.CTR(counter)).encryptor()
