"""Signed HTTP requests: the headers that a client adds, and the guard at a node that checks them.

What is signed, lines joined by a line feed without one at the end:

    fingerprint of the node, METHOD, target (path and query as sent), date, nonce, SHA-256 of the body
"""

from __future__ import annotations

import base64
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from tercet.errors import ConfigError, IntegrityError
from tercet.federation.identity import (
    MAX_CERTIFICATE_BYTES,
    SIGNATURE_BYTES,
    Card,
    KeyPurpose,
    Member,
    decode_base64url,
    encode_base64url,
)
from tercet.federation.model import ID_BYTES, fresh_nonce
from tercet.federation.text import utc_time

CERTIFICATE, NODE, DATE, NONCE, CONTENT, SIGNATURE = (
    "tercet-certificate",
    "tercet-node",
    "tercet-date",
    "tercet-nonce",
    "tercet-content-sha256",
    "tercet-signature",
)
"""Names of the headers, in lower case as ASGI gives them; HTTP does not care."""
SEALED = "tercet-sealed"
"""`1`: the body is a box for the node, not the thing itself."""

WINDOW_S = 300.0
MAX_TARGET_BYTES = 4096
MAX_NONCES = 1 << 18
"""Nonces remembered at a time, about 150 bytes each."""
MAX_NONCES_OF_ONE = MAX_NONCES // 4
_MAX_CARDS = 1024
_BUCKET_S = 60

_METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH")
_DATE = re.compile(r"[0-9]{9,11}\.[0-9]{3}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TARGET = re.compile(r"/[!-~]*", re.ASCII)


class RequestFault(StrEnum):
    """Why a request is refused."""

    MALFORMED = "malformed"
    STALE = "stale"
    EARLY = "early"
    """Dated before the node's start: whether it was seen before, nobody knows any more."""
    REPLAYED = "replayed"
    WRONG_NODE = "wrong_node"
    WRONG_CONTENT = "wrong_content"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"
    BUSY = "busy"
    """More requests within the window than the guard remembers; the only one to be tried again later as it is."""


class BadRequest(IntegrityError):
    """A request that is not from whom it says, not for this node, not now, or not for the first time."""

    def __init__(self, reason: RequestFault, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


@dataclass(frozen=True)
class Claim:
    """A request whose headers are in order. The body is still to be compared with `content`."""

    card: Card
    content: str

    def check_body(self, sha256_hex: str) -> None:
        """Raise BadRequest unless the body has the hash that was signed."""
        if sha256_hex != self.content:
            raise BadRequest(
                RequestFault.WRONG_CONTENT,
                "the body is not the one that was signed",
                hint="it was changed on its way, or cut off; send it again",
            )


def signed_bytes(node_fingerprint: str, method: str, target: str, date: str, nonce: str, content: str) -> bytes:
    """The message of a request's signature, under `KeyPurpose.REQUEST`."""
    return "\n".join((node_fingerprint, method, target, date, nonce, content)).encode("ascii")


def signed_headers(
    member: Member, node_fingerprint: str, method: str, target: str, body_sha256_hex: str, now: float
) -> dict[str, str]:
    """The headers of one request by a member to one node; `now` is in unix seconds. A client calls it. Costs 0.1 ms.

    A request that is sent again needs new ones.
    """
    date, nonce = f"{now:.3f}", encode_base64url(fresh_nonce())
    message = signed_bytes(node_fingerprint, method, target, date, nonce, body_sha256_hex)
    return {
        CERTIFICATE: base64.b64encode(member.card.certificate).decode("ascii"),
        NODE: node_fingerprint,
        DATE: date,
        NONCE: nonce,
        CONTENT: body_sha256_hex,
        SIGNATURE: member.sign_text(KeyPurpose.REQUEST, message),
    }


@dataclass(frozen=True)
class _Sent:
    """The headers, decoded."""

    certificate: bytes = field(repr=False)
    node: str
    date: float
    nonce: bytes = field(repr=False)
    content: str
    signature: bytes = field(repr=False)

    @classmethod
    def read(cls, headers: Mapping[str, str], method: str, target: str) -> _Sent:
        """Raises BadRequest for what cannot be a signed request."""
        missing = [name for name in (CERTIFICATE, NODE, DATE, NONCE, CONTENT, SIGNATURE) if not headers.get(name)]
        if missing:
            raise malformed(f"{missing[0]} is missing")
        if method not in _METHODS or not _TARGET.fullmatch(target) or len(target) > MAX_TARGET_BYTES:
            raise malformed("its method or target")
        for name, form in ((NODE, _HEX), (DATE, _DATE), (CONTENT, _HEX)):
            if not form.fullmatch(headers[name]):
                raise malformed(f"{name} has another form")
        if len(headers[CERTIFICATE]) > 2 * MAX_CERTIFICATE_BYTES:
            raise malformed(f"{CERTIFICATE} is too long")
        try:
            certificate = base64.b64decode(headers[CERTIFICATE], validate=True)
        except ValueError:
            raise malformed(f"{CERTIFICATE} is not base64") from None
        nonce, signature = _base64url(headers, NONCE, ID_BYTES), _base64url(headers, SIGNATURE, SIGNATURE_BYTES)
        return cls(certificate, headers[NODE], float(headers[DATE]), nonce, headers[CONTENT], signature)


def _base64url(headers: Mapping[str, str], name: str, nbytes: int) -> bytes:
    try:
        data = decode_base64url(headers[name][:MAX_CERTIFICATE_BYTES])
    except ValueError:
        raise malformed(f"{name} is not base64url without padding") from None
    if len(data) != nbytes:
        raise malformed(f"{name} has {len(data)} bytes, not {nbytes}")
    return data


@dataclass
class _Nonces:
    """The nonces of the window, in buckets by date, so that old ones go at once."""

    buckets: dict[int, dict[str, set[bytes]]] = field(default_factory=dict, repr=False)
    counts: dict[str, int] = field(default_factory=dict)
    total: int = 0

    def forget(self, before: int) -> None:
        for bucket in [bucket for bucket in self.buckets if bucket < before]:
            for fingerprint, nonces in self.buckets.pop(bucket).items():
                self.total -= len(nonces)
                self.counts[fingerprint] -= len(nonces)
                if not self.counts[fingerprint]:
                    del self.counts[fingerprint]

    def has(self, bucket: int, fingerprint: str, nonce: bytes) -> bool:
        return nonce in self.buckets.get(bucket, {}).get(fingerprint, ())

    def add(self, bucket: int, fingerprint: str, nonce: bytes) -> None:
        self.buckets.setdefault(bucket, {}).setdefault(fingerprint, set()).add(nonce)
        self.counts[fingerprint] = self.counts.get(fingerprint, 0) + 1
        self.total += 1


class RequestGuard:
    """Checks signed requests for one node. One object per node process; may be called by several threads.

    A gateway has one for each node to which it passes requests on. Memory is bounded: what does not fit is refused,
    never forgotten, and one member alone cannot fill it. Certificates are free, so `admit` must keep strangers out.
    """

    def __init__(
        self,
        node_fingerprint: str,
        started: float,
        *,
        window_s: float = WINDOW_S,
        max_nonces: int = MAX_NONCES,
        max_nonces_of_one: int = MAX_NONCES_OF_ONE,
    ) -> None:
        self.node_fingerprint = node_fingerprint
        self.started = started
        self._window_s = window_s
        self._max_nonces = max_nonces
        self._max_nonces_of_one = max_nonces_of_one
        self._lock = threading.Lock()
        self._nonces = _Nonces()
        self._cards: OrderedDict[bytes, Card] = OrderedDict()

    def check(self, headers: Mapping[str, str], method: str, target: str, body_sha256_hex: str, now: float) -> Card:
        """Who sent this request, with this body, for the first time. Raises BadRequest."""
        claim = self.check_head(headers, method, target, now, content=body_sha256_hex)
        return claim.card

    def check_head(
        self,
        headers: Mapping[str, str],
        method: str,
        target: str,
        now: float,
        *,
        content: str | None = None,
        admit: Callable[[Card], None] | None = None,
    ) -> Claim:
        """Check everything but the body, before it is read. Header names are in lower case. Costs 0.2 ms.

        `admit` may raise for a member who has nothing to do here, before their nonce takes memory. Raises BadRequest.
        """
        sent = _Sent.read(headers, method, target)
        if sent.node != self.node_fingerprint:
            raise BadRequest(
                RequestFault.WRONG_NODE,
                f"the request is for the node {sent.node[:16]}, and this one is {self.node_fingerprint[:16]}",
                hint="compare your federation file with the operator's",
            )
        self._check_date(sent.date, now)
        card = self._card(sent.certificate)
        try:
            card.check_valid(datetime.fromtimestamp(now, UTC))
        except ConfigError as error:
            raise BadRequest(RequestFault.EXPIRED, error.message, hint=error.hint) from None
        message = signed_bytes(sent.node, method, target, headers[DATE], headers[NONCE], sent.content)
        try:
            card.verify(KeyPurpose.REQUEST, message, sent.signature)
        except IntegrityError as error:
            raise BadRequest(RequestFault.BAD_SIGNATURE, error.message, hint=error.hint) from None
        claim = Claim(card, sent.content)
        if content is not None:
            claim.check_body(content)
        if admit is not None:
            admit(card)
        self._remember(card, sent, now)
        return claim

    def _check_date(self, date: float, now: float) -> None:
        if abs(now - date) > self._window_s:
            raise BadRequest(
                RequestFault.STALE,
                f"the request is dated {utc_time(date)}, and it is {utc_time(now)} at this node",
                hint=f"set the clock right (it may differ by {self._window_s:g} s), or send the request anew",
            )
        # whole milliseconds, as dates are: a request made in the millisecond of the start cannot be an old one
        if round(date * 1000) < math.floor(self.started * 1000):
            raise BadRequest(
                RequestFault.EARLY,
                f"the request is dated {utc_time(date)}, before this node started at {utc_time(self.started)}",
                hint="send it anew; if that does not help, this clock is behind",
            )

    def _card(self, certificate: bytes) -> Card:
        with self._lock:
            if card := self._cards.get(certificate):
                self._cards.move_to_end(certificate)
                return card
        try:
            card = Card.from_certificate(certificate)
        except ConfigError as error:
            raise malformed(f"{CERTIFICATE}: {error.message}") from None
        with self._lock:
            self._cards[certificate] = card
            if len(self._cards) > _MAX_CARDS:
                self._cards.popitem(last=False)
        return card

    def _remember(self, card: Card, sent: _Sent, now: float) -> None:
        bucket = math.floor(sent.date / _BUCKET_S)
        with self._lock:
            self._nonces.forget(math.floor((now - self._window_s) / _BUCKET_S))
            if self._nonces.has(bucket, card.fingerprint, sent.nonce):
                raise BadRequest(
                    RequestFault.REPLAYED,
                    "this request was here before",
                    hint="sign every request anew, also one that is sent again",
                )
            own = self._nonces.counts.get(card.fingerprint, 0)
            if own >= self._max_nonces_of_one or self._nonces.total >= self._max_nonces:
                raise BadRequest(
                    RequestFault.BUSY,
                    f"{own} requests of {card.name} and {self._nonces.total} in all within {2 * self._window_s:g} s",
                    hint="wait, and send fewer",
                )
            self._nonces.add(bucket, card.fingerprint, sent.nonce)


def malformed(what: str) -> BadRequest:
    return BadRequest(
        RequestFault.MALFORMED, f"the request is not signed as it should be: {what}", hint="see vectors/README.md"
    )
