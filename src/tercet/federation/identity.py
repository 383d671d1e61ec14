"""Identities: a member holds private keys; their card, with the public keys, is what others know of them.

One self-signed P-256 certificate names a member everywhere by its fingerprint, is what TLS shows and pins, and binds,
as a URI among its alternative names, the X25519 key to which things are sealed for them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import os
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.x509.oid import NameOID

from tercet.errors import ConfigError, IntegrityError
from tercet.transport.identity import Identity

SEAL_URI = "tercet:seal:"
SIGNATURE_BYTES = 64
BOX_OVERHEAD_BYTES = 48
"""A box is this much longer than what it holds: the sender's fresh public key and the tag."""
MAX_CERTIFICATE_BYTES = 4096
VALID_FOR = timedelta(days=3 * 365)
WARN_DAYS = 60
"""Days before its end from which on a certificate is complained about."""

_DOMAIN = b"tercet/1 "
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
_NUMBER_BYTES = SIGNATURE_BYTES // 2
_FILE_MODE = 0o600
_WHERE = "name a PEM file of an identity: tercet identity new NAME makes one, tercet up makes some to try things"
_MAX_FILE_BYTES = 1 << 16

Data = bytes | bytearray | memoryview


class KeyPurpose(StrEnum):
    """What a signature or a box is for: one made for one purpose means nothing for another."""

    REQUEST = "request"
    """Signature of an HTTP request."""
    ORDER = "order"
    """Signature of a change that the coordinator carries to all nodes."""
    JOB = "job"
    """Signature of a job bundle."""
    AUDIT = "audit"
    """Signature of an entry of a node's audit chain."""
    HEAD = "head"
    """Signature of a chain's head, given to another node."""
    VOTE = "vote"
    """Signature of a node that has a change ready."""
    VERDICT = "verdict"
    """Signature of the coordinator that a change is committed or aborted."""
    ANSWER = "answer"
    """Signature of a node under what became of a change or a job."""
    PART = "part"
    """Box: what one node gets of an upload."""
    RESULT = "result"
    """Box: what one node has of a result, for its recipient."""


@dataclass(frozen=True)
class Card:
    """What everybody may know of a member: the certificate, and what it says. Equal if the certificates are."""

    certificate: bytes = field(repr=False)
    name: str = field(compare=False)
    fingerprint: str = field(compare=False)
    not_before: datetime = field(compare=False)
    not_after: datetime = field(compare=False)
    seal_key: bytes = field(repr=False, compare=False)
    _verifier: ec.EllipticCurvePublicKey = field(repr=False, compare=False)

    @classmethod
    def from_certificate(cls, certificate: bytes) -> Self:
        """Read a DER certificate. Costs 0.1 ms. Raises ConfigError for what is no member's certificate."""
        if len(certificate) > MAX_CERTIFICATE_BYTES:
            raise ConfigError(f"a certificate of {len(certificate)} bytes is longer than {MAX_CERTIFICATE_BYTES}")
        try:
            parsed = x509.load_der_x509_certificate(certificate)
            key = parsed.public_key()
            names = parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            alternative = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            uris = alternative.get_values_for_type(x509.UniformResourceIdentifier)
        except x509.ExtensionNotFound:
            uris = []
        except Exception as error:
            # the parser's exceptions are of many classes, for which there is no common one
            raise ConfigError(f"this is no certificate: {type(error).__name__}") from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ConfigError("the key of a member's certificate is on the curve P-256, and this one is not")
        name = names[0].value if len(names) == 1 else ""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigError(
                "the certificate has no subject that can be a member's name",
                hint="up to 63 letters, digits and . _ @ - are one",
            )
        seal_keys = [uri.removeprefix(SEAL_URI) for uri in uris if uri.startswith(SEAL_URI)]
        if len(seal_keys) != 1:
            raise ConfigError(
                f"the certificate of {name} binds {len(seal_keys)} seal keys, not one",
                hint="make the identity with tercet",
            )
        return cls(
            bytes(certificate),
            name,
            hashlib.sha256(certificate).hexdigest(),
            parsed.not_valid_before_utc,
            parsed.not_valid_after_utc,
            _decode_seal_key(seal_keys[0], name),
            key,
        )

    @classmethod
    def from_pem(cls, text: str) -> Self:
        """Read the first certificate of a PEM text, be it a card or a member's file. Raises ConfigError."""
        start, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
        if start < 0 or end < start:
            raise ConfigError("there is no certificate in this text", hint=f"it starts with {ssl.PEM_HEADER}")
        try:
            body = text[start + len(ssl.PEM_HEADER) : end]
            return cls.from_certificate(base64.b64decode("".join(body.split()), validate=True))
        except ValueError:
            raise ConfigError("the certificate in this text is broken: not base64") from None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a card from a PEM file. Raises ConfigError."""
        return cls.from_pem(_read(path).decode("ascii", errors="replace"))

    def pem(self) -> str:
        """The certificate as PEM text, to hand out."""
        return ssl.DER_cert_to_PEM_cert(self.certificate)

    @property
    def verify_key(self) -> bytes:
        """The public key that verifies this member's signatures, in DER (SubjectPublicKeyInfo)."""
        return self._verifier.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def days_left(self, now: datetime | None = None) -> int:
        """Whole days until the certificate ends; negative when it has ended."""
        return math.floor((self.not_after - (now or datetime.now(UTC))) / timedelta(days=1))

    def check_valid(self, now: datetime | None = None) -> None:
        """ConfigError unless the certificate is valid now."""
        now = now or datetime.now(UTC)
        if now > self.not_after:
            raise ConfigError(
                f"the certificate of {self.name} expired on {self.not_after:%Y-%m-%d %H:%M} UTC",
                hint="make a new identity with the same name and hand out its certificate",
            )
        if now < self.not_before:
            raise ConfigError(
                f"the certificate of {self.name} is valid from {self.not_before:%Y-%m-%d %H:%M} UTC on",
                hint=f"it is {now:%Y-%m-%d %H:%M} UTC here: is this clock right?",
            )

    def verify(self, purpose: KeyPurpose, message: bytes, signature: bytes) -> None:
        """Raise IntegrityError unless this member signed the message for this purpose. Costs 0.1 ms."""
        if len(signature) != SIGNATURE_BYTES:
            raise IntegrityError(f"a signature has {SIGNATURE_BYTES} bytes, this one {len(signature)}")
        r, s = (int.from_bytes(signature[at : at + _NUMBER_BYTES], "big") for at in (0, _NUMBER_BYTES))
        try:
            self._verifier.verify(
                utils.encode_dss_signature(r, s), labelled(purpose, message), ec.ECDSA(hashes.SHA256())
            )
        except InvalidSignature:
            raise IntegrityError(
                f"the signature ({purpose}) is not one of {self.name}",
                hint="the message was changed on its way, or signed with another key or for another node",
            ) from None

    def verify_text(self, purpose: KeyPurpose, message: bytes, signature: str) -> None:
        """As `verify`, of what `Member.sign_text` gave."""
        try:
            decoded = decode_base64url(signature)
        except ValueError:
            raise IntegrityError(f"the signature ({purpose}) of {self.name} is broken: it is not base64url") from None
        self.verify(purpose, message, decoded)

    def seal(self, purpose: KeyPurpose, context: bytes, data: Data) -> bytes:
        """Encrypt for this member alone (HPKE, RFC 9180, base mode); 48 bytes longer. 1 ms for a mebibyte.

        Only `Member.open` with the same purpose and context opens it. It says nothing about who sealed it.
        """
        key = X25519PublicKey.from_public_bytes(self.seal_key)
        return _suite().encrypt(data, key, info=labelled(purpose, context))

    def __hash__(self) -> int:
        return hash(self.fingerprint)


@dataclass(frozen=True)
class Member:
    """Somebody with their keys: a node, an owner, an analyst or an operator. May be used by several threads."""

    identity: Identity
    card: Card
    _signer: ec.EllipticCurvePrivateKey = field(repr=False, compare=False)
    _opener: X25519PrivateKey = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.card.name

    @classmethod
    def create(cls, name: str, *, valid_for: timedelta = VALID_FOR, start: datetime | None = None) -> Self:
        """Make fresh keys and their certificate; making one anew under the same name is how keys are rotated.

        Raises ConfigError for a name that cannot be one.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} cannot be a member's name", hint="use up to 63 letters, digits and . _ @ -")
        opener = X25519PrivateKey.generate()
        uri = SEAL_URI + encode_base64url(opener.public_key().public_bytes_raw())
        return cls._join(Identity.create(name, valid_for=valid_for, start=start, uris=[uri]), opener)

    @classmethod
    def _join(cls, identity: Identity, opener: X25519PrivateKey) -> Self:
        card = Card.from_certificate(identity.certificate)
        try:
            signer = serialization.load_pem_private_key(identity.key, None)
        except ValueError:
            raise ConfigError("the signing key cannot be read") from None
        if not isinstance(signer, ec.EllipticCurvePrivateKey) or signer.public_key() != card._verifier:
            raise ConfigError(f"the signing key is not the one of the certificate of {card.name}")
        if opener.public_key().public_bytes_raw() != card.seal_key:
            raise ConfigError(f"the seal key is not the one of the certificate of {card.name}")
        return cls(identity, card, signer, opener)

    def save(self, path: Path) -> None:
        """Write certificate and both keys into one PEM file that only its owner may read.

        Raises ConfigError if the file is there already: keys are never overwritten.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(self.card.pem().encode() + self.identity.key + _private_pem(self._opener))
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            raise ConfigError(
                f"the file {path} exists, and may hold a key", hint="name another file, or move it away"
            ) from None
        except OSError as error:
            raise ConfigError(f"cannot write an identity: {error}") from None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises ConfigError, also if others may read the file."""
        data = _read(path)
        try:
            if b"PRIVATE KEY-----" in data and path.stat().st_mode & 0o077:
                raise ConfigError(f"others may read the private keys in {path}", hint=f"chmod 600 {path}")
            card = Card.from_pem(data.decode("ascii"))
            keys = [
                serialization.load_pem_private_key(block, None)
                for block in re.findall(rb"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----\n", data, re.DOTALL)
            ]
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot read the identity {path}: {type(error).__name__}", hint=_WHERE) from None
        signers = [key for key in keys if isinstance(key, ec.EllipticCurvePrivateKey)]
        openers = [key for key in keys if isinstance(key, X25519PrivateKey)]
        if len(keys) != 2 or not signers or not openers:
            raise ConfigError(
                f"{path} is no identity: it holds {len(signers)} signing and {len(openers)} seal keys",
                hint="name the file with the private keys, not a card",
            )
        return cls._join(Identity(card.certificate, _private_pem(signers[0])), openers[0])

    def sign(self, purpose: KeyPurpose, message: bytes) -> bytes:
        """Sign for a purpose: ECDSA P-256 with SHA-256, 64 bytes. Costs 0.05 ms.

        The nonce follows from key and message (RFC 6979): the same has one signature, and none fails with a generator.
        """
        way = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = utils.decode_dss_signature(self._signer.sign(labelled(purpose, message), way))
        return r.to_bytes(_NUMBER_BYTES, "big") + s.to_bytes(_NUMBER_BYTES, "big")

    def sign_text(self, purpose: KeyPurpose, message: bytes) -> str:
        """As `sign`, in base64url."""
        return encode_base64url(self.sign(purpose, message))

    def open(self, purpose: KeyPurpose, context: bytes, box: Data) -> bytes:
        """Give what `Card.seal` put in. Raises IntegrityError for anything else."""
        try:
            return _suite().decrypt(box, self._opener, info=labelled(purpose, context))
        except InvalidTag:
            raise IntegrityError(
                f"a box ({purpose}) of {len(box)} bytes does not open for {self.name}",
                hint="it was changed on its way, or sealed for someone or something else",
            ) from None


def labelled(purpose: KeyPurpose, message: bytes) -> bytes:
    """What is signed, or the `info` of a box: a message under its purpose."""
    return b"%s%s\0%s" % (_DOMAIN, purpose.value.encode(), message)


def encode_base64url(data: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """The one text that `encode_base64url` gives for these bytes. Raises ValueError for every other."""
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("not base64url") from None
    if encode_base64url(data) != text:
        raise ValueError("not the shortest base64url")
    return data


def expiring(cards: Sequence[Card], now: datetime | None = None, *, days: int = WARN_DAYS) -> list[str]:
    """A line of warning for every card that ends within `days`; operators see them in log and status."""
    return [
        f"the certificate of {card.name} {'ends' if left >= 0 else 'ended'} on {card.not_after:%Y-%m-%d}"
        + (f", in {left} days" if left >= 0 else "")
        for card in cards
        if (left := card.days_left(now)) < days
    ]


def _private_pem(key: ec.EllipticCurvePrivateKey | X25519PrivateKey) -> bytes:
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, pkcs8, serialization.NoEncryption())


def _suite() -> hpke.Suite:
    return hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_128_GCM)


def _decode_seal_key(text: str, name: str) -> bytes:
    try:
        key = decode_base64url(text)
        # an exchange with a point of small order fails, whatever the scalar: nothing sealed to one would be secret
        X25519PrivateKey.from_private_bytes(key).exchange(X25519PublicKey.from_public_bytes(key))
    except ValueError:
        raise ConfigError(f"the seal key in the certificate of {name} is broken") from None
    return key


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint=_WHERE) from None
    if len(data) > _MAX_FILE_BYTES:
        raise ConfigError(f"{path} is too long to be an identity", hint=_WHERE)
    return data
