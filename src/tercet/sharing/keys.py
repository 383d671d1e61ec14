"""Keys that parties share: agreed once a session over the authenticated channels, derived anew for every job."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tercet.errors import IntegrityError
from tercet.sharing.secret_memory import SecretMemory
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
