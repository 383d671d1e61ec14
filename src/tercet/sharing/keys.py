"""Keys that parties share: agreed once a session over the authenticated channels, derived anew for every job.

They lie in memory that is not swapped out, not dumped and wiped at the end, as far as Python permits. Copies that are
not under our control: OpenSSL's own (which it wipes), TLS buffers, and the `bytes` in which Python hands over what came
from the operating system or from a peer, until it uses their memory again.
"""

from __future__ import annotations

import ctypes
import mmap
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tercet.errors import IntegrityError
from tercet.sharing.streams import KEY_BYTES, Streams

SEED_BYTES = 32
TAG_BYTES = 16


def fresh_seed() -> bytes:
    """32 bytes from the operating system: one of the two places that ask it (the other splits inputs)."""
    return secrets.token_bytes(SEED_BYTES)


def _derive(out: memoryview, key: bytes | memoryview, salt: bytes, info: bytes) -> None:
    """HKDF-SHA256 (RFC 5869)."""
    HKDF(algorithm=hashes.SHA256(), length=len(out), salt=salt, info=info).derive_into(key, out)


def joint_seed(out: memoryview, *contributions: bytes) -> None:
    """The seed that several parties have contributed to: unpredictable as soon as one of them drew well.

    Called by every party that holds the seed, with the contributions in the same order. 32 bytes, into `out`.
    """
    _derive(out, b"".join(contributions), b"", b"tercet/2 joint seed")


class SecretMemory:
    """One page for keys. The owner of the keys holds it, and calls `wipe` when they are no longer needed."""

    __slots__ = ("_page", "_used", "locked")

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._page.madvise(mmap.MADV_DONTDUMP)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        # refused where a process may lock nothing: a key could then reach swap space, which is to be encrypted anyway
        self.locked = ctypes.CDLL(None).mlock(ctypes.c_void_p(start), ctypes.c_size_t(mmap.PAGESIZE)) == 0
        self._used = 0

    def __repr__(self) -> str:
        return f"SecretMemory({self._used} bytes used)"

    def room(self, size: int) -> memoryview:
        """The next `size` bytes, zeros. Raises ValueError if the page is full."""
        if self._used + size > mmap.PAGESIZE:
            raise ValueError(f"{size} bytes of key are more than is left of a page")
        view = memoryview(self._page)[self._used : self._used + size]
        self._used += size
        return view

    def wipe(self) -> None:
        """Overwrite everything with zeros; views that were given out are then of zeros, too."""
        self._page[:] = bytes(mmap.PAGESIZE)

    def __del__(self) -> None:
        page = getattr(self, "_page", None)
        if page is not None:
            page[:] = bytes(mmap.PAGESIZE)


@dataclass(frozen=True)
class SessionKeys:
    """What one party holds after key agreement.

    `seeds[k]` is known to parties k and prev(k) only, `seeds[ALL]` to all three; every holder contributed to it.
    `session` is public: a digest of who takes part (certificates, federation) and of everyone's nonces. It makes the
    keys fresh as soon as one party is, so a restarted party can never fall back onto an old stream.
    """

    seeds: Mapping[int, bytes | memoryview] = field(repr=False)
    session: bytes = field(repr=False)
    memory: SecretMemory = field(default_factory=SecretMemory, repr=False)
    """Where the seeds lie, if they are to be wiped."""
    _jobs: set[bytes] = field(default_factory=set, repr=False)

    def tag(self, component: int, sender: int) -> bytes:
        """What `sender` shows the other holders of a seed to confirm that they have the same; 16 bytes."""
        tag = bytearray(TAG_BYTES)
        info = b"tercet/2 confirm " + bytes([component, sender])
        _derive(memoryview(tag), self.seeds[component], self.session, info)
        return bytes(tag)

    def streams(self, job: bytes, agreed: bytes) -> Streams:
        """The streams of a new job; a job identifier can be used once.

        `agreed` is the digest of what the three parties have agreed to run: whoever runs another plan has other keys.
        """
        if job in self._jobs:
            raise IntegrityError(f"job {job.hex()[:8]} was run before in this session", hint="start a new job")
        self._jobs.add(job)

        memory = SecretMemory()
        keys = {component: memory.room(KEY_BYTES) for component in self.seeds}
        for component, key in keys.items():
            _derive(key, self.seeds[component], self.session, b"tercet/2 stream " + bytes([component]) + job + agreed)
        streams = Streams(keys)
        memory.wipe()  # OpenSSL has what it needs
        return streams

    def wipe(self) -> None:
        """Overwrite the seeds: the session is over."""
        self.memory.wipe()
