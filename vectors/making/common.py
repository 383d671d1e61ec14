"""What all kinds share: members with fixed keys, deterministic signatures, the shape of a vector.

Every key follows from a sentence that stands here. Whoever uses one of them for anything else has no secret.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import NameOID

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NOW = 1_800_000_000
"""15 January 2027, 08:00:00 UTC: when all vectors are checked."""
STARTED = NOW - 3600
FEDERATION = "00112233445566778899aabbccddeeff"
MEMBERS = ("hospital-a", "hospital-b", "university", "anna", "ben")

Vector = dict[str, Any]


def vector(kind: str, name: str, expect: str, description: str, **fields: Any) -> tuple[str, Vector]:
    """One file: its name, and what is in it. `expect` is the class of the outcome."""
    return f"{kind}_{expect}_{name}.json", {"kind": kind, "expect": expect, "description": description, **fields}


def fixed(sentence: str, nbytes: int = 32) -> bytes:
    """Bytes that look random and follow from a sentence."""
    return hashlib.sha256(f"tercet vectors: {sentence}".encode()).digest()[:nbytes]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def labelled(purpose: str, message: bytes) -> bytes:
    """What is signed, or the info of a box."""
    return b"tercet/1 " + purpose.encode() + b"\0" + message


@dataclass(frozen=True)
class Member:
    """A member with keys that everybody knows."""

    name: str
    signing_key: ec.EllipticCurvePrivateKey
    seal_key: X25519PrivateKey
    certificate: bytes

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.certificate).hexdigest()

    @property
    def seal_public(self) -> bytes:
        return self.seal_key.public_key().public_bytes_raw()

    def sign(self, purpose: str, message: bytes) -> bytes:
        """64 bytes, always the same ones (RFC 6979)."""
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = utils.decode_dss_signature(self.signing_key.sign(labelled(purpose, message), algorithm))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@cache
def member(name: str, *, start: int = 2026, end: int = 2126, seal_uri: str | None = None) -> Member:
    """The member of this name; `seal_uri` replaces the right alternative name of the certificate."""
    scalar = int.from_bytes(fixed(f"signing key of {name}"), "big") % (P256_ORDER - 1) + 1
    signing_key = ec.derive_private_key(scalar, ec.SECP256R1())
    seal_key = X25519PrivateKey.from_private_bytes(fixed(f"seal key of {name}"))
    uri = seal_uri or "tercet:seal:" + b64url(seal_key.public_key().public_bytes_raw())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(signing_key.public_key())
        .serial_number(int.from_bytes(fixed(f"serial number of {name}", 16), "big"))
        .not_valid_before(datetime(start, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(end, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .sign(signing_key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    return Member(name, signing_key, seal_key, certificate.public_bytes(serialization.Encoding.DER))


def members() -> tuple[str, Vector]:
    """All members with their private keys, for those who check how they sign and seal."""
    entries = []
    for who in map(member, MEMBERS):
        pkcs8 = who.signing_key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        spki = who.signing_key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        entries.append(
            {
                "name": who.name,
                "fingerprint": who.fingerprint,
                "certificate_base64": b64(who.certificate),
                "signing_key_pkcs8_base64": b64(pkcs8),
                "signing_key_spki_base64": b64(spki),
                "seal_key_private_hex": who.seal_key.private_bytes_raw().hex(),
                "seal_key_public_hex": who.seal_public.hex(),
            }
        )
    return "members.json", {
        "kind": "members",
        "description": "public keys, and private ones: all known",
        "members": entries,
    }


def flipped(data: bytes, at: int) -> bytes:
    """With one bit changed."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
