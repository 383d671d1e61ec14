"""Signed outcomes of changes; an outcome is final only when all three nodes have signed it.

One node may lie, also about the others: so each signs the outcome that it has, and clients compare the three.
"""

from __future__ import annotations

from typing import Any

from tercet.errors import IntegrityError
from tercet.federation.api import ChangeOutcome
from tercet.federation.canonical import canonical_json
from tercet.federation.identity import Card, KeyPurpose, Member, decode_base64url, encode_base64url

_ABOUT_THE_CLIENT = {"pending", "signature", "unsigned"}


def sign_outcome(member: Member, federation: str, outcome: ChangeOutcome) -> ChangeOutcome:
    """Sign an outcome that is final at this node; one that is pending is returned unchanged. Nodes call it."""
    if outcome.state == "pending":
        return outcome
    named = outcome.model_copy(update={"signer": member.name})
    signature = member.sign(KeyPurpose.ANSWER, _message(federation, named))
    return named.model_copy(update={"signature": encode_base64url(signature)})


def check_outcome(outcome: ChangeOutcome, card: Card, federation: str, transaction: str) -> None:
    """Raise IntegrityError unless that node signed this outcome of this transaction. Clients call it."""
    if (outcome.signer, outcome.transaction) != (card.name, transaction):
        raise IntegrityError(f"node {card.name} answers about another change, or for another node")
    card.verify(KeyPurpose.ANSWER, _message(federation, outcome), signature_bytes(outcome.signature, card.name))


def _message(federation: str, outcome: ChangeOutcome) -> bytes:
    facts: dict[str, Any] = outcome.model_dump(mode="json", exclude=_ABOUT_THE_CLIENT)
    return canonical_json({"federation": federation, "what": "change", **facts})


def signature_bytes(text: str, name: str) -> bytes:
    """Decode a signature (base64url). Raises IntegrityError naming the node that should have signed."""
    try:
        return decode_base64url(text)
    except ValueError:
        raise IntegrityError(f"the signature of node {name} is broken") from None
