"""The identity of an endpoint: a self-signed certificate with its key, and the exact certificates of its peers.

There is no certificate authority: every endpoint holds the certificate of each peer and accepts nothing else.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tercet.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate (DER, public) and its private key (PEM, never printed)."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)

    @classmethod
    def create(
        cls,
        name: str,
        *,
        valid_for: timedelta = timedelta(days=3650),
        start: datetime | None = None,
        uris: Sequence[str] = (),
    ) -> Self:
        """Make a fresh P-256 key and a certificate for it, valid from an hour before `start` (now) on.

        `uris` become the certificate's alternative names.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        start = start or datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start - timedelta(hours=1))
            .not_valid_after(start + valid_for)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        )
        if uris:
            names = [x509.UniformResourceIdentifier(uri) for uri in uris]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(key, hashes.SHA256())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(certificate.public_bytes(serialization.Encoding.DER), pem)


def check_validity(certificate: bytes, whose: str) -> None:
    """Refuse a certificate that is broken or not valid now, before any connection is tried."""
    try:
        parsed = x509.load_der_x509_certificate(certificate)
    except ValueError as error:
        raise ConfigError(f"the certificate of {whose} cannot be read: {error}") from None
    now = datetime.now(UTC)
    if now > parsed.not_valid_after_utc:
        raise ConfigError(
            f"the certificate of {whose} expired on {parsed.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
            hint="make a new identity and give its certificate to every peer",
        )
    if now < parsed.not_valid_before_utc:
        raise ConfigError(f"the certificate of {whose} is valid from {parsed.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")


def tls_context(identity: Identity, pinned: Iterable[bytes], *, server: bool) -> ssl.SSLContext:
    """Give a TLS 1.3 context that shows our certificate and trusts exactly the pinned ones."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # names mean nothing here: the certificate itself is compared
    context.verify_mode = ssl.CERT_REQUIRED
    if server:
        context.num_tickets = 0
    try:
        for certificate in pinned:
            context.load_verify_locations(cadata=certificate)
        _load_chain(context, identity)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"a certificate or key cannot be used: {error}") from None
    return context


def _load_chain(context: ssl.SSLContext, identity: Identity) -> None:
    # ssl reads files only: an anonymous one in memory, so that the key never touches a disk
    descriptor = os.memfd_create("tercet-identity")
    with os.fdopen(descriptor, "wb") as file:
        file.write(identity.key)
        file.write(ssl.DER_cert_to_PEM_cert(identity.certificate).encode())
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
