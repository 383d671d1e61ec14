"""Votes and verdicts: what nodes sign in a change's two phases, so that a contradiction is provable.

A node that has a change ready votes for it: it signs the hash of what it has ready. The coordinator signs its verdict,
*committed* with the votes of all three nodes or *aborted* with none. Nodes show each other the verdicts they hear. Two
verdicts of one transaction that differ, both signed, prove that the coordinator lied (or was restored from a backup
that does not know the first); anybody who has the federation file can check that offline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from tercet.errors import IntegrityError
from tercet.federation.api_peer import NODES, Verdict, VerdictState, Vote
from tercet.federation.canonical import canonical_json
from tercet.federation.federation import Federation
from tercet.federation.identity import Card, KeyPurpose, Member, decode_base64url, encode_base64url


def answer_digest(answer: dict[str, Any]) -> str:
    """The hash of what a node has ready, over its canonical JSON text."""
    return hashlib.sha256(b"tercet/1 answer\0" + canonical_json(answer)).hexdigest()


def sign_vote(member: Member, federation: str, transaction: str, answer: dict[str, Any]) -> Vote:
    """Bind a node to what it has ready. Every node calls it, when all of it is durable. Costs 0.05 ms."""
    digest = answer_digest(answer)
    signature = member.sign(KeyPurpose.VOTE, _vote(federation, transaction, digest))
    return Vote(node=member.name, answer=digest, signature=encode_base64url(signature))


def check_vote(vote: Vote, card: Card, federation: str, transaction: str, answer: dict[str, Any] | None = None) -> None:
    """Raise IntegrityError unless that node voted so, and, where `answer` is given, for that. Costs 0.1 ms."""
    if vote.node != card.name:
        raise IntegrityError(f"this is a vote of {vote.node}, not of {card.name}")
    if answer is not None and answer_digest(answer) != vote.answer:
        raise IntegrityError(f"{card.name} voted for something else than it answered")
    card.verify(KeyPurpose.VOTE, _vote(federation, transaction, vote.answer), _bytes(vote.signature, card))


def sign_verdict(
    member: Member, federation: str, transaction: str, state: VerdictState, votes: Sequence[Vote] = ()
) -> Verdict:
    """The coordinator's word about a transaction; it calls it once that word is durable, and never for both states."""
    unsigned = Verdict(transaction=transaction, state=state, votes=list(votes), signature="")
    signature = member.sign(KeyPurpose.VERDICT, _verdict(federation, unsigned))
    return unsigned.model_copy(update={"signature": encode_base64url(signature)})


def check_verdict(verdict: Verdict, federation: Federation, transaction: str) -> None:
    """Raise IntegrityError unless the coordinator signed this, with the votes of all three nodes if it commits."""
    card = federation.coordinator.card
    if verdict.transaction != transaction:
        raise IntegrityError(f"{card.name} shows a verdict about another transaction")
    card.verify(KeyPurpose.VERDICT, _verdict(federation.id, verdict), _bytes(verdict.signature, card))
    if verdict.state == "aborted":
        if verdict.votes:
            raise IntegrityError(f"{card.name} shows votes with a verdict that aborts")
        return
    if len(verdict.votes) != NODES:
        raise IntegrityError(f"{card.name} commits with {len(verdict.votes)} votes, not {NODES}")
    for entry, vote in zip(federation.nodes, verdict.votes, strict=True):
        check_vote(vote, entry.card, federation.id, transaction)


def check_equivocation(one: Verdict, other: Verdict, federation: Federation) -> None:
    """Raise IntegrityError unless the two prove that the coordinator said two things about one transaction."""
    for verdict in (one, other):
        check_verdict(verdict, federation, one.transaction)
    if one.state == other.state:
        raise IntegrityError("the two verdicts say the same")


def _vote(federation: str, transaction: str, digest: str) -> bytes:
    return canonical_json({"federation": federation, "transaction": transaction, "answer": digest})


def _verdict(federation: str, verdict: Verdict) -> bytes:
    return canonical_json({"federation": federation, **verdict.model_dump(mode="json", exclude={"signature"})})


def _bytes(signature: str, card: Card) -> bytes:
    try:
        return decode_base64url(signature)
    except ValueError:
        raise IntegrityError(f"a signature of {card.name} is broken") from None
