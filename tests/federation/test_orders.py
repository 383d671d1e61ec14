"""Orders: signed by one person, for one federation, once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from federations import FEDERATION_ID, member
from tercet.errors import IntegrityError, PlanError
from tercet.federation.identity import KeyPurpose, Member, encode_base64url
from tercet.federation.orders import (
    MAX_AGE_S,
    MAX_AHEAD_S,
    Action,
    CommitUpload,
    DropKept,
    Order,
    Refresh,
    SignedOrder,
    Withdraw,
    read_order,
    sign_order,
)

NOW = 1_800_000_000
ACTIONS: list[Action] = [
    CommitUpload(upload="0a" * 16, dataset="patients", chunks=3, rows=1000),
    Withdraw(dataset="patients"),
    Withdraw(dataset="patients", upload="0a" * 16, owner="0b" * 32),
    Refresh(dataset="patients"),
    DropKept(name="risk/coef"),
]


def order(action: Action = ACTIONS[0], created: int = NOW) -> Order:
    return Order(federation=FEDERATION_ID, transaction="0c" * 16, created=created, action=action)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.action)
def test_an_order_comes_back(action: Action) -> None:
    signed = sign_order(member("anna"), order(action))
    again = SignedOrder.model_validate_json(signed.to_json())
    assert read_order(again, FEDERATION_ID, NOW) == (order(action), member("anna").card)


def test_orders_of_another_time_or_federation() -> None:
    signed = sign_order(member("anna"), order())
    for now in (NOW - MAX_AHEAD_S, NOW + MAX_AGE_S):
        read_order(signed, FEDERATION_ID, now)
    for now in (NOW - MAX_AHEAD_S - 1, NOW + MAX_AGE_S + 1):
        with pytest.raises(IntegrityError, match=r"signed at 2027-01-15 08:00:00 UTC, and it is"):
            read_order(signed, FEDERATION_ID, now)
    with pytest.raises(IntegrityError, match="for the federation 00112233"):
        read_order(signed, "ff" * 16, NOW)


def test_an_expired_signer() -> None:
    start = datetime.fromtimestamp(NOW, UTC) - timedelta(days=2)
    old = Member.create("old", start=start, valid_for=timedelta(days=1))
    with pytest.raises(IntegrityError, match="expired"):
        read_order(sign_order(old, order()), FEDERATION_ID, NOW)


def test_nobody_alters_an_order() -> None:
    signed = sign_order(member("anna"), order())
    other = sign_order(member("ben"), order())
    text = signed.order.replace('"rows":1000', '"rows":1001')
    for change in (
        {"order": text},
        {"certificate": other.certificate},
        {"signature": other.signature},
        {"signature": encode_base64url(member("anna").sign(KeyPurpose.JOB, signed.order.encode()))},
    ):
        with pytest.raises(IntegrityError, match="signature"):
            read_order(signed.model_copy(update=change), FEDERATION_ID, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"certificate": "*"},
        {"certificate": "AAAA"},
        {"certificate": "ü"},
        {"signature": "*"},
        {"order": "\ud800"},
        {"order": ""},
    ],
)
def test_what_is_no_order(change: dict[str, str]) -> None:
    signed = sign_order(member("anna"), order())
    with pytest.raises(PlanError):
        read_order(signed.model_copy(update=change), FEDERATION_ID, NOW)


def signed_anyhow(data: dict[str, Any], **style: Any) -> SignedOrder:
    arguments: dict[str, Any] = {"sort_keys": True, "separators": (",", ":")} | style
    text = json.dumps(data, **arguments)
    signature = encode_base64url(member("anna").sign(KeyPurpose.ORDER, text.encode()))
    return SignedOrder(order=text, certificate=sign_order(member("anna"), order()).certificate, signature=signature)


@pytest.mark.parametrize(
    "change",
    [
        {"action": {"action": "explode"}},
        {"action": {"action": "drop", "name": "a/../b"}},
        {"action": {"action": "withdraw", "dataset": "patients"}},
        {"transaction": "0C" * 16},
        {"created": "now"},
        {"created": 1.8e9},
        {"extra": 1},
        {"version": 2},
    ],
)
def test_orders_of_another_form(change: dict[str, Any]) -> None:
    data = json.loads(order().to_bytes())
    assert read_order(signed_anyhow(data), FEDERATION_ID, NOW)[0] == order()
    with pytest.raises(PlanError):
        read_order(signed_anyhow(data | change), FEDERATION_ID, NOW)


def test_an_order_has_one_text() -> None:
    data = json.loads(order().to_bytes())
    for style in ({"separators": (", ", ": ")}, {"sort_keys": False, "indent": 1}):
        with pytest.raises(PlanError, match="canonical"):
            read_order(signed_anyhow(data, **style), FEDERATION_ID, NOW)


@given(st.text(max_size=300))
def test_noise_is_no_order(text: str) -> None:
    signed = sign_order(member("anna"), order()).model_copy(update={"order": text})
    with pytest.raises((PlanError, IntegrityError)):
        read_order(signed, FEDERATION_ID, NOW)


def test_lengths_have_limits() -> None:
    with pytest.raises(ValidationError):
        SignedOrder(order="x" * 5000, certificate="", signature="")
