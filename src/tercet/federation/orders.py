"""Orders: changes of stored data, signed by the person who wants them and carried to all nodes by the coordinator.

So the coordinator can hold an order up, but neither invent nor alter one: every node reads it and checks for itself.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tercet.errors import ConfigError, IntegrityError, PlanError
from tercet.federation.identity import Card, KeyPurpose, Member, decode_base64url
from tercet.federation.model import Body, Canonical, DatasetName, Digest, Identifier, KeptName
from tercet.federation.text import utc_time

MAX_AGE_S = 86_400
"""An order may wait this long at the coordinator."""
MAX_AHEAD_S = 300

Count = Annotated[int, Field(ge=0, le=1 << 40)]


class CommitUpload(Body):
    """Make an upload visible: all chunks 0 .. chunks-1 are there, and have so many rows together."""

    action: Literal["commit"] = "commit"
    upload: Identifier
    dataset: DatasetName
    chunks: Count
    rows: Count


class Withdraw(Body):
    """Delete rows: those of one upload, or all of the signer's in the dataset."""

    action: Literal["withdraw"] = "withdraw"
    dataset: DatasetName
    upload: Identifier | None = None
    owner: Digest | None = None
    """Whose rows, where an operator orders it; None: the signer's own."""


class Refresh(Body):
    """Re-randomise the stored shares of a dataset. Operators and nodes order it."""

    action: Literal["refresh"] = "refresh"
    dataset: DatasetName


class Wider(Body):
    """A column's wider bounds, as a schema file writes them, and the categories that come behind those it has."""

    column: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]{0,63}$")]
    lo: Annotated[str, StringConstraints(pattern=r"^[0-9eE.+\-]{1,64}$")] | None = None
    hi: Annotated[str, StringConstraints(pattern=r"^[0-9eE.+\-]{1,64}$")] | None = None
    categories: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=256)]], Field(max_length=256)
    ] = Field(default_factory=list)


class Widen(Body):
    """Agree to wider bounds of a dataset in which the signer has rows."""

    action: Literal["widen"] = "widen"
    dataset: DatasetName
    columns: Annotated[list[Wider], Field(min_length=1, max_length=64)]


class DropKept(Body):
    """Delete a kept array, or a model with all its arrays."""

    action: Literal["drop"] = "drop"
    name: KeptName


Action = Annotated[CommitUpload | Withdraw | Refresh | Widen | DropKept, Field(discriminator="action")]


class Order(Canonical):
    """One change; `transaction` is drawn by the signer, so that sending it again changes nothing twice."""

    version: Literal[1] = 1
    federation: Identifier
    transaction: Identifier
    created: Annotated[int, Field(ge=0, le=1 << 33)]
    """Unix seconds."""
    action: Action


class SignedOrder(Body):
    """An order as it travels: its canonical text, the signer's certificate (base64), the signature (base64url)."""

    order: Annotated[str, StringConstraints(max_length=4096)]
    certificate: Annotated[str, StringConstraints(max_length=6000)]
    signature: Annotated[str, StringConstraints(max_length=88)]


def sign_order(member: Member, order: Order) -> SignedOrder:
    """Sign an order. The client of whoever wants the change calls it."""
    text = order.to_bytes()
    return SignedOrder(
        order=text.decode(),
        certificate=base64.b64encode(member.card.certificate).decode("ascii"),
        signature=member.sign_text(KeyPurpose.ORDER, text),
    )


def read_order(signed: SignedOrder, federation: str, now: float) -> tuple[Order, Card]:
    """What is ordered, and by whom; every node calls it, and then asks whether they may. `now` is in unix seconds.

    Whether the transaction was seen before is for the caller to say. Raises PlanError for a wrong form,
    IntegrityError for a wrong signature, federation or date.
    """
    text = signed.order.encode("utf-8", errors="replace")
    order = Order.from_bytes(text, "order")
    try:
        card = Card.from_certificate(base64.b64decode(signed.certificate, validate=True))
        signature = decode_base64url(signed.signature)
    except (ConfigError, ValueError):
        raise PlanError("this is no order: its certificate or signature is broken") from None
    card.verify(KeyPurpose.ORDER, text, signature)
    if order.federation != federation:
        raise IntegrityError(
            f"the order is for the federation {order.federation[:8]}, and this is {federation[:8]}",
            hint="use the federation file of these nodes",
        )
    if not -MAX_AHEAD_S <= now - order.created <= MAX_AGE_S:
        raise IntegrityError(
            f"the order was signed at {utc_time(order.created)}, and it is {utc_time(now)} here",
            hint="set the clock right, or order it again",
        )
    try:
        card.check_valid(datetime.fromtimestamp(now, UTC))
    except ConfigError as error:
        raise IntegrityError(error.message, hint=error.hint) from None
    return order, card
