"""Pair keys: agreed once a session over the authenticated channels, derived anew for every job."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tercet.errors import IntegrityError
from tercet.sharing.party import Party
from tercet.sharing.streams import KEY_BYTES, Streams

SEED_BYTES = 32


def fresh_seed() -> bytes:
    """32 bytes from the operating system: one of the two places that ask it (the other splits inputs)."""
    return secrets.token_bytes(SEED_BYTES)


@dataclass(frozen=True)
class SessionKeys:
    """What one party holds after key agreement: the seeds of its two components and everyone's nonces.

    `seeds[k]` is known to parties k and prev(k) only. `nonces` are public among the three and make the session
    identifier fresh as soon as one party is, so a restarted party can never fall back onto an old stream.
    """

    seeds: Mapping[Party, bytes] = field(repr=False)
    nonces: tuple[bytes, bytes, bytes] = field(repr=False)
    _jobs: set[bytes] = field(default_factory=set, repr=False)

    def streams(self, job: bytes) -> Streams:
        """The streams of a new job (HKDF-SHA256, RFC 5869); a job identifier can be used once."""
        if job in self._jobs:
            raise IntegrityError(f"job {job.hex()[:8]} was run before in this session", hint="start a new job")
        self._jobs.add(job)
        digest = hashes.Hash(hashes.SHA256())
        for nonce in self.nonces:
            digest.update(nonce)
        session = digest.finalize()
        return Streams(
            {
                component: HKDF(
                    algorithm=hashes.SHA256(),
                    length=KEY_BYTES,
                    salt=session,
                    info=b"tercet/1 pair " + bytes([component]) + job,
                ).derive(seed)
                for component, seed in self.seeds.items()
            }
        )
