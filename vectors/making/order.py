"""Orders: changes that the coordinator carries to all nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from making.common import FEDERATION, NOW, Vector, b64, b64url, canonical, fixed, flipped, labelled, member, vector

COMMIT = {"action": "commit", "chunks": 3, "dataset": "patients", "rows": 250_000, "upload": fixed("upload", 16).hex()}


def order(action: dict[str, Any] = COMMIT, created: int = NOW, federation: str = FEDERATION) -> dict[str, Any]:
    return {
        "action": action,
        "created": created,
        "federation": federation,
        "transaction": fixed("transaction", 16).hex(),
        "version": 1,
    }


def signed(text: bytes) -> dict[str, str]:
    anna = member("anna")
    return {
        "order": text.decode(),
        "certificate": b64(anna.certificate),
        "signature": b64url(anna.sign("order", text)),
    }


def one(name: str, expect: str, description: str, sent: dict[str, str], valid: bool = True) -> tuple[str, Vector]:
    return vector(
        "order", name, expect, description, signer="anna", federation=FEDERATION, now=NOW, signed_order=sent,
        signed_hex=labelled("order", sent["order"].encode()).hex(), signature_valid=valid,
    )  # fmt: skip


def make() -> Iterator[tuple[str, Vector]]:
    good = signed(canonical(order()))
    yield one("commit", "ok", "make an upload visible", good)
    for name, action in (
        ("withdraw", {"action": "withdraw", "dataset": "patients", "owner": None, "upload": None}),
        ("withdraw_upload", {"action": "withdraw", "dataset": "patients", "owner": None, "upload": COMMIT["upload"]}),
        ("refresh", {"action": "refresh", "dataset": "patients"}),
        ("drop", {"action": "drop", "name": "risk/coef"}),
    ):
        yield one(name, "ok", "another change", signed(canonical(order(action))))
    yield one("old", "ok", "a day old, which is allowed", signed(canonical(order(created=NOW - 86_400))))
    changed = good["order"].replace("250000", "250001")
    yield one("text", "bad_signature", "a number is changed", good | {"order": changed}, False)
    bit = b64url(flipped(member("anna").sign("order", good["order"].encode()), 5))
    yield one("bit", "bad_signature", "one bit is changed", good | {"signature": bit}, False)
    purpose = b64url(member("anna").sign("request", good["order"].encode()))
    yield one("purpose", "bad_signature", "signed as a request", good | {"signature": purpose}, False)
    yield one("other", "wrong_federation", "of others", signed(canonical(order(federation="ff" * 16))))
    yield one("old", "stale", "more than a day old", signed(canonical(order(created=NOW - 86_401))))
    yield one("new", "stale", "dated too far ahead", signed(canonical(order(created=NOW + 301))))
    short = {"action": "withdraw", "dataset": "x", "owner": None}
    for name, description, text in (
        ("spaces", "spaces in the JSON", json.dumps(order(), sort_keys=True)),
        ("order", "keys that are not sorted", json.dumps(dict(reversed(order().items())), separators=(",", ":"))),
        ("missing", "a key that is null is left out", canonical(order(short)).decode()),
        ("action", "an action that there is not", canonical(order({"action": "copy", "dataset": "x"})).decode()),
        ("float", "a number with a decimal point", canonical(order()).decode().replace("250000", "250000.0")),
        ("name", "a name that is none", canonical(order({"action": "refresh", "dataset": "../x"})).decode()),
        ("version", "of another version", canonical(order() | {"version": 2}).decode()),
    ):  # fmt: skip
        yield one(name, "malformed", description, signed(text.encode()))
