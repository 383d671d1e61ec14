"""Job bundles."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from typing import Any

from making.common import FEDERATION, NOW, Member, Vector, b64, canonical, fixed, flipped, member, vector

PLAN = b"tercet-plan\x01 opaque here"
HEAD = struct.Struct("<8sIIII")


def handle(label: str, *parts: str) -> str:
    return hashlib.sha256(b"\0".join([label.encode(), *(part.encode() for part in parts)])).hexdigest()[:32]


def header(**changes: Any) -> dict[str, Any]:
    anna = member("anna")
    column = {
        "handle": handle("tercet column", FEDERATION, "patients", "größe"),
        "dataset": "patients",
        "version": 3,
        "manifest": hashlib.sha256(b"manifest").hexdigest(),
        "column": "größe",
        "validity": False,
        "kept": None,
    }
    validity = column | {"handle": handle("tercet validity", FEDERATION, "patients", "größe"), "validity": True}
    kept = {
        "handle": handle("tercet kept", FEDERATION, "risk/coef"),
        "dataset": None,
        "version": 0,
        "manifest": None,
        "column": None,
        "validity": False,
        "kept": "risk/coef",
    }
    return {
        "version": 1,
        "federation": FEDERATION,
        "job": fixed("job", 16).hex(),
        "created": NOW,
        "deadline": NOW + 600,
        "analyst": anna.fingerprint,
        "inputs": [column, kept, validity],
        "outputs": [{"index": 0, "keep": "", "lifetime": None}, {"index": 1, "keep": "risk2", "lifetime": 86_400}],
        "recipients": [b64(anna.certificate), b64(member("ben").certificate)],
        "network": {"name": "lan", "rtt_us": 100, "bandwidth_bits_s": 10_000_000_000},
        "security": "semi-honest",
        "partition_rows": 0,
        "purpose": "mean height, study 12",
        "model": {"kind": "LinearRegression", "scale": [0.1, 1.5]},
    } | changes


def pack(
    text: bytes, who: Member | None = None, *, version: int = 1, purpose: str = "job", certificate: bytes | None = None
) -> bytes:
    who = who or member("anna")
    certificate = who.certificate if certificate is None else certificate
    signed = HEAD.pack(b"tercetJB", version, len(text), len(PLAN), len(certificate)) + text + PLAN + certificate
    return signed + who.sign(purpose, signed)


def make() -> Iterator[tuple[str, Vector]]:
    text = canonical(header())
    good = pack(text)
    for name, fields in (("whole", header()), ("plain", header(inputs=[], outputs=[], model=None, purpose=""))):
        data = pack(canonical(fields))
        yield vector(
            "bundle", name, "ok", "a job", bundle_hex=data.hex(), header=fields, plan_hex=PLAN.hex(),
            analyst="anna", hash_hex=hashlib.sha256(data[:-64]).hexdigest(),
        )  # fmt: skip

    def wrong(name: str, expect: str, description: str, data: bytes) -> tuple[str, Vector]:
        return vector("bundle", name, expect, description, bundle_hex=data.hex())

    spaced = json.dumps(header(), sort_keys=True, ensure_ascii=False).encode()
    escaped = json.dumps(header(), sort_keys=True, separators=(",", ":")).encode()
    twice = text.replace(b'"version":1}', b'"version":1,"version":1}')
    yield wrong("magic", "malformed", "other first bytes", flipped(good, 0))
    yield wrong("version", "bad_version", "a later version, well signed", pack(text, version=2))
    yield wrong("cut", "bad_length", "the last byte is missing", good[:-1])
    yield wrong("extended", "bad_length", "a byte too many", good + b"\0")
    yield wrong("head", "malformed", "it ends inside its head", good[:20])
    yield wrong("empty", "malformed", "nothing", b"")
    huge = HEAD.pack(b"tercetJB", 1, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    yield wrong("huge", "bad_length", "lengths beyond all limits", huge)
    plan_at = HEAD.size + len(text) + 3
    yield wrong("plan", "bad_signature", "one bit of the plan is changed", flipped(good, plan_at))
    yield wrong("header", "bad_signature", "one bit of the header is changed", flipped(good, 30))
    yield wrong("bit", "bad_signature", "one bit of the signature is changed", flipped(good, -1))
    yield wrong("purpose", "bad_signature", "signed as an order", pack(text, purpose="order"))
    by_ben = pack(text, member("ben"), certificate=member("anna").certificate)
    yield wrong("signer", "bad_signature", "signed by another than the certificate's", by_ben)
    yield wrong("analyst", "malformed", "in the name of another than who signs", pack(text, member("ben")))
    yield wrong("certificate", "malformed", "no certificate", pack(text, certificate=b"\x30\x00"))
    other = header()["inputs"][0] | {"handle": "0" * 32}
    for name, description, changed in (
        ("spaces", "spaces in the JSON", spaced),
        ("escapes", "letters escaped without need", escaped),
        ("twice", "a key twice", twice),
        ("deadline", "a deadline before the creation", canonical(header(deadline=NOW - 1))),
        ("handle", "a handle that is not its column's", canonical(header(inputs=[other]))),
        ("recipient", "a recipient that is no member", canonical(header(recipients=["AAAA"]))),
        ("security", "a mode that there is not", canonical(header(security="none"))),
        ("extra", "an unknown key", canonical(header(priority=1))),
        ("utf8", "no UTF-8", text.replace("ö".encode(), b"\xff\xff")),
    ):  # fmt: skip
        yield wrong(name, "malformed", description, pack(changed))
