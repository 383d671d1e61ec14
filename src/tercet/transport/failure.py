"""Translates the errors of sockets and of TLS into those of `tercet.errors`; no other module does."""

from __future__ import annotations

import ssl

from tercet.errors import ConfigError, PartyError, ProtocolViolation, Unreachable
from tercet.transport.messages import LABELS, PeerNames, SessionPeer

_ALERTS = {
    "CERTIFICATE_EXPIRED": "our certificate expired",
    "UNKNOWN_CA": "it does not know our certificate",
    "CERTIFICATE_UNKNOWN": "it does not know our certificate",
    "BAD_CERTIFICATE": "it finds our certificate bad",
    "CERTIFICATE_REQUIRED": "it wants a certificate",
    "DECRYPT_ERROR": "our key does not fit our certificate",
    "ACCESS_DENIED": "it does not let us in",
}


def translate(error: OSError, peer: SessionPeer | None, names: PeerNames = LABELS) -> PartyError | ConfigError:
    """Give the Tercet error for what a socket or TLS call raised while talking to `peer` (None: not known yet)."""
    who = "the other side" if peer is None else names[peer]
    party = None if peer is None else int(peer)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigError(
            f"the certificate that {who} shows is refused: {getattr(error, 'verify_message', error)}",
            hint="compare it with the one configured for this peer",
        )
    if isinstance(error, ssl.SSLEOFError):
        return Unreachable(f"{who} closed its connection without a goodbye", party=party)
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or str(error)
        for alert, meaning in _ALERTS.items():
            if "ALERT" in reason and reason.endswith(alert):
                return ConfigError(f"{who} refuses us: {meaning}", hint="give it the certificate of this identity")
        return ProtocolViolation(f"{who} does not speak our TLS, or its bytes were changed: {reason}", party=party)
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"nobody listens at the address of {who}", party=party)
    if isinstance(error, ConnectionError):
        return Unreachable(f"{who} closed its connection without a goodbye", party=party)
    return Unreachable(f"{who} cannot be reached: {error.strerror or error}", party=party)
