"""Signed requests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from making.common import NOW, STARTED, Member, Vector, b64, b64url, fixed, flipped, labelled, member, vector

BODY = b'{"dataset":"patients"}'
TARGET = "/v1/uploads?dry=1"
OFF = 301
"""Seconds beyond what is allowed."""


def signed_bytes(node: str, method: str, target: str, date: str, nonce: str, content: str) -> bytes:
    return "\n".join([node, method, target, date, nonce, content]).encode()


def headers(
    who: Member, node: str, *, method: str = "POST", target: str = TARGET, date: str = f"{NOW}.000", body: bytes = BODY
) -> dict[str, str]:
    nonce, content = b64url(fixed(f"nonce {method} {target} {date}", 16)), hashlib.sha256(body).hexdigest()
    return {
        "Tercet-Certificate": b64(who.certificate),
        "Tercet-Node": node,
        "Tercet-Date": date,
        "Tercet-Nonce": nonce,
        "Tercet-Content-SHA256": content,
        "Tercet-Signature": b64url(who.sign("request", signed_bytes(node, method, target, date, nonce, content))),
    }


def one(
    name: str,
    expect: str,
    description: str,
    sent: dict[str, str],
    *,
    method: str = "POST",
    target: str = TARGET,
    body: bytes = BODY,
    valid: bool | None = None,
    now: float = NOW,
) -> tuple[str, Vector]:
    """`valid` is whether the signature holds for what is sent; None where that cannot be asked."""
    message = signed_bytes(
        sent.get("Tercet-Node", ""),
        method,
        target,
        sent.get("Tercet-Date", ""),
        sent.get("Tercet-Nonce", ""),
        sent.get("Tercet-Content-SHA256", ""),
    )
    return vector(
        "request",
        name,
        expect,
        description,
        signer="anna",
        node=member("hospital-a").fingerprint,
        started=STARTED,
        now=now,
        method=method,
        target=target,
        body_hex=body.hex(),
        headers=sent,
        signed_hex=None if valid is None else labelled("request", message).hex(),
        signature_valid=valid,
    )


def make() -> Iterator[tuple[str, Vector]]:
    anna, a, b = member("anna"), member("hospital-a").fingerprint, member("hospital-b").fingerprint
    good = headers(anna, a)
    yield one("post", "ok", "a request with a body", good, valid=True)
    get = {"method": "GET", "target": "/v1/datasets/patients", "body": b""}
    yield one("get", "ok", "without a body the hash is that of nothing", headers(anna, a, **get), valid=True, **get)
    odd = {"method": "DELETE", "target": "/v1/kept/risk/coef?x=%C3%BC&y=a+b"}
    yield one(
        "target",
        "ok",
        "the target is signed as it is sent, percent signs and all",
        headers(anna, a, **odd),
        valid=True,
        **odd,
    )
    for name, off in (("slow", -300), ("fast", 300)):
        sent = headers(anna, a, date=f"{NOW + off}.000")
        yield one(f"clock_{name}", "ok", f"the client's clock is off by {off} s, which is allowed", sent, valid=True)

    yield one(
        "bit", "bad_signature", "one bit of the signature is changed",
        good | {"Tercet-Signature": b64url(flipped(anna.sign("request", signed_bytes(*parts(good))), 40))}, valid=False,
    )  # fmt: skip
    yield one(
        "purpose", "bad_signature", "the same bytes, signed for another purpose",
        good | {"Tercet-Signature": b64url(anna.sign("order", signed_bytes(*parts(good))))}, valid=False,
    )  # fmt: skip
    yield one(
        "der", "malformed", "the signature is in DER, not raw",
        good | {"Tercet-Signature": b64url(der(anna.sign("request", signed_bytes(*parts(good)))))},
    )  # fmt: skip
    yield one(
        "certificate", "bad_signature", "the certificate is another member's",
        good | {"Tercet-Certificate": b64(member("ben").certificate)},
    )  # fmt: skip
    yield one("method", "bad_signature", "signed as POST", good, method="PUT", valid=False)
    yield one("target", "bad_signature", "signed with dry=1", good, target="/v1/uploads?dry=0", valid=False)
    date = f"{NOW + 1}.000"
    yield one("date", "bad_signature", "the date is changed", good | {"Tercet-Date": date}, valid=False)
    yield one(
        "nonce", "bad_signature", "the nonce is changed",
        good | {"Tercet-Nonce": b64url(fixed("another nonce", 16))}, valid=False,
    )  # fmt: skip
    yield one(
        "node", "bad_signature", "made for another node, and readdressed",
        headers(anna, b) | {"Tercet-Node": a}, valid=False,
    )  # fmt: skip
    yield one("other", "wrong_node", "made for another node", headers(anna, b), valid=True)
    yield one("other", "wrong_content", "the body is another one", good, body=b"{}", valid=True)
    for name, off in (("old", -OFF), ("new", OFF)):
        sent = headers(anna, a, date=f"{NOW + off}.000")
        yield one(name, "stale", f"the client's clock is off by {off} s", sent, valid=True)
    early = headers(anna, a, date=f"{STARTED - 1}.999")
    yield one("start", "early", "dated before the node's start", early, valid=True, now=STARTED + 10)
    old = member("anna", start=2020, end=2025)
    yield one("certificate", "expired", "the certificate ended before", headers(old, a), valid=True)
    broken = good["Tercet-Certificate"][:64] + " " + good["Tercet-Certificate"][64:]
    plain = b64(member("anna", seal_uri="urn:x").certificate)
    upper = good["Tercet-Content-SHA256"].upper()
    for name, description, change in (
        ("nonce_short", "a nonce of 15 bytes", {"Tercet-Nonce": b64url(bytes(15))}),
        ("nonce_padded", "base64url with padding", {"Tercet-Nonce": good["Tercet-Nonce"] + "=="}),
        ("date_whole", "a date without its three decimals", {"Tercet-Date": str(NOW)}),
        ("date_milliseconds", "a date in milliseconds", {"Tercet-Date": f"{NOW}000"}),
        ("content_upper", "hexadecimal in capitals", {"Tercet-Content-SHA256": upper}),
        ("certificate_broken", "a certificate with a space in it", {"Tercet-Certificate": broken}),
        ("certificate_plain", "no seal key in the certificate", {"Tercet-Certificate": plain}),
    ):  # fmt: skip
        yield one(name, "malformed", description, good | change)
    missing = {name: value for name, value in good.items() if name != "Tercet-Nonce"}
    yield one("missing", "malformed", "a header is missing", missing)


def parts(sent: dict[str, str]) -> tuple[str, str, str, str, str, str]:
    return (
        sent["Tercet-Node"],
        "POST",
        TARGET,
        sent["Tercet-Date"],
        sent["Tercet-Nonce"],
        sent["Tercet-Content-SHA256"],
    )


def der(raw: bytes) -> bytes:
    """A raw signature as most libraries give it, which is wrong here."""

    def integer(number: bytes) -> bytes:
        number = number.lstrip(b"\0")
        number = b"\0" + number if number[0] & 0x80 else number
        return bytes([2, len(number)]) + number

    body = integer(raw[:32]) + integer(raw[32:])
    return bytes([0x30, len(body)]) + body
