"""HPKE (RFC 9180), base mode, with a sender's key that is given: 0x0020, 0x0001, 0x0001, no associated data."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEM_SUITE = b"KEM\x00\x20"
_SUITE = b"HPKE\x00\x20\x00\x01\x00\x01"


def _extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt, b"HPKE-v1" + suite + label + ikm, hashlib.sha256)


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """Of lengths up to 32: one block."""
    head = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, head + b"\x01", hashlib.sha256)[:length]


def schedule(sender: X25519PrivateKey, recipient: bytes, info: bytes) -> tuple[bytes, bytes, bytes]:
    """The shared secret of the KEM, the key and the first nonce."""
    enc = sender.public_key().public_bytes_raw()
    secret = sender.exchange(X25519PublicKey.from_public_bytes(recipient))
    prk = _extract(_KEM_SUITE, b"", b"eae_prk", secret)
    shared = _expand(_KEM_SUITE, prk, b"shared_secret", enc + recipient, 32)
    context = b"\x00" + _extract(_SUITE, b"", b"psk_id_hash", b"") + _extract(_SUITE, b"", b"info_hash", info)
    prk = _extract(_SUITE, shared, b"secret", b"")
    return shared, _expand(_SUITE, prk, b"key", context, 16), _expand(_SUITE, prk, b"base_nonce", context, 12)


def seal(sender: X25519PrivateKey, recipient: bytes, info: bytes, data: bytes) -> bytes:
    """The sender's public key (32 bytes), then ciphertext and tag (16 bytes)."""
    _, key, nonce = schedule(sender, recipient, info)
    return sender.public_key().public_bytes_raw() + AESGCM(key).encrypt(nonce, data, b"")
