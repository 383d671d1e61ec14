"""What nodes sign for others to check: votes and verdicts, outcomes of changes, ends of jobs.

A node that has a change ready votes for it: it signs the hash of what it has ready. The coordinator signs its verdict,
*committed* with the votes of all three nodes or *aborted* with none. Nodes show each other the verdicts they hear. Two
verdicts of one transaction that differ, both signed, prove that the coordinator lied (or was restored from a backup
that does not know the first); anybody who has the federation file can check that offline.

Each node signs the outcome of a change that it has, and how a job ended there, since one node may lie, also about the
others; to a client both are final once all three have signed the same.

The node at which a job ended first makes an `End`, which is passed on unchanged to the other nodes and the analyst.
*Refused* and *cancelled* are valid only with the signature of the node that refused or cancelled; a cancellation also
needs the signed request of the person who cancelled.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from tercet.errors import ConfigError, IntegrityError
from tercet.federation.api import ChangeOutcome, ErrorBody
from tercet.federation.api_jobs import End, JobInfo, SignedRequest
from tercet.federation.api_peer import NODES, Verdict, VerdictState, Vote
from tercet.federation.federation import Federation
from tercet.federation.identity import Card, KeyPurpose, Member
from tercet.federation.model import canonical_json
from tercet.federation.requests import CERTIFICATE, CONTENT, DATE, NONCE, SIGNATURE, signed_bytes

_ABOUT_THE_CLIENT = {"pending", "signature", "unsigned"}


def sign_outcome(member: Member, federation: str, outcome: ChangeOutcome) -> ChangeOutcome:
    """Sign an outcome that is final at this node; one that is pending is returned unchanged. Nodes call it."""
    if outcome.state == "pending":
        return outcome
    named = outcome.model_copy(update={"signer": member.name})
    signature = member.sign_text(KeyPurpose.ANSWER, _message(federation, named))
    return named.model_copy(update={"signature": signature})


def check_outcome(outcome: ChangeOutcome, card: Card, federation: str, transaction: str) -> None:
    """Raise IntegrityError unless that node signed this outcome of this transaction. Clients call it."""
    if (outcome.signer, outcome.transaction) != (card.name, transaction):
        raise IntegrityError(f"node {card.name} answers about another change, or for another node")
    card.verify_text(KeyPurpose.ANSWER, _message(federation, outcome), outcome.signature)


def _message(federation: str, outcome: ChangeOutcome) -> bytes:
    facts: dict[str, Any] = outcome.model_dump(mode="json", exclude=_ABOUT_THE_CLIENT)
    return canonical_json({"federation": federation, "what": "change", **facts})


def answer_digest(answer: dict[str, Any]) -> str:
    """The hash of what a node has ready, over its canonical JSON text."""
    return hashlib.sha256(b"tercet/1 answer\0" + canonical_json(answer)).hexdigest()


def sign_vote(member: Member, federation: str, transaction: str, answer: dict[str, Any]) -> Vote:
    """Bind a node to what it has ready. Every node calls it, when all of it is durable. Costs 0.05 ms."""
    digest = answer_digest(answer)
    signature = member.sign_text(KeyPurpose.VOTE, _vote(federation, transaction, digest))
    return Vote(node=member.name, answer=digest, signature=signature)


def check_vote(vote: Vote, card: Card, federation: str, transaction: str, answer: dict[str, Any] | None = None) -> None:
    """Raise IntegrityError unless that node voted so, and, where `answer` is given, for that. Costs 0.1 ms."""
    if vote.node != card.name:
        raise IntegrityError(f"this is a vote of {vote.node}, not of {card.name}")
    if answer is not None and answer_digest(answer) != vote.answer:
        raise IntegrityError(f"{card.name} voted for something else than it answered")
    card.verify_text(KeyPurpose.VOTE, _vote(federation, transaction, vote.answer), vote.signature)


def sign_verdict(
    member: Member, federation: str, transaction: str, state: VerdictState, votes: Sequence[Vote] = ()
) -> Verdict:
    """The coordinator's word about a transaction; it calls it once that word is durable, and never for both states."""
    unsigned = Verdict(transaction=transaction, state=state, votes=list(votes), signature="")
    signature = member.sign_text(KeyPurpose.VERDICT, _verdict(federation, unsigned))
    return unsigned.model_copy(update={"signature": signature})


def check_verdict(verdict: Verdict, federation: Federation, transaction: str) -> None:
    """Raise IntegrityError unless the coordinator signed this, with the votes of all three nodes if it commits."""
    card = federation.coordinator.card
    if verdict.transaction != transaction:
        raise IntegrityError(f"{card.name} shows a verdict about another transaction")
    card.verify_text(KeyPurpose.VERDICT, _verdict(federation.id, verdict), verdict.signature)
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


OWN_WORD = ("refused", "cancelled")
"""States that a node may state only about itself."""


def sign_end(
    member: Member,
    federation: str,
    job: str,
    bundle: str,
    state: str,
    error: ErrorBody,
    request: SignedRequest | None = None,
) -> End:
    """Make the signed end of a job. Every node calls it, once for each job that ends without a result there."""
    told = {"job": job, "bundle": bundle, "state": state, "error": error, "signer": member.name, "request": request}
    unsigned = End.model_validate({**told, "signature": ""})
    signature = member.sign_text(KeyPurpose.ANSWER, _end(federation, unsigned))
    return unsigned.model_copy(update={"signature": signature})


def check_end(end: End, federation: Federation, job: str, bundle: str) -> None:
    """Raise IntegrityError unless `end` is a valid statement about this job, signed by the node that it names.

    Nodes call it for ends that other nodes send, clients for all ends. Costs 0.1 to 0.3 ms.
    """
    if (end.job, end.bundle) != (job, bundle):
        raise IntegrityError("the end is that of another job")
    try:
        card = federation.node(federation.party(end.signer)).card
    except ConfigError:
        raise IntegrityError(f"{end.signer}, which signed the end of the job, is no node of the federation") from None
    card.verify_text(KeyPurpose.ANSWER, _end(federation.id, end), end.signature)
    if end.state in OWN_WORD and end.error.node != end.signer:
        raise IntegrityError(
            f"{end.signer} says that {end.error.node} {end.state} the job, which only that one can say"
        )
    if end.state == "cancelled":
        person = who_cancelled(end, card)
        if end.error.message != cancelled_by(person.name):
            raise IntegrityError(f"{end.signer} signed another reason than that {person.name} cancelled the job")


def who_cancelled(end: End, card: Card) -> Card:
    """The person whose signed request to that node cancelled the job. Raises IntegrityError if there was none."""
    request = end.request
    if request is None:
        raise IntegrityError(f"{end.signer} cancelled the job, and shows no request of a person to do so")
    try:
        person = Card.from_certificate(base64.b64decode(request.certificate, validate=True))
    except (ConfigError, ValueError):
        raise IntegrityError(f"{end.signer} shows a broken request to cancel the job") from None
    target = f"/v1/jobs/{end.job}/cancel"
    message = signed_bytes(card.fingerprint, "POST", target, request.date, request.nonce, request.content)
    person.verify_text(KeyPurpose.REQUEST, message, request.signature)
    return person


def cancelled_by(name: str) -> str:
    """The error message of a job that a person cancelled."""
    return f"{name} cancelled the job"


def request_of(headers: dict[str, str]) -> SignedRequest:
    """The signed headers of a request, as evidence for others; the caller has checked the signature."""
    return SignedRequest(
        certificate=headers[CERTIFICATE],
        date=headers[DATE],
        nonce=headers[NONCE],
        content=headers[CONTENT],
        signature=headers[SIGNATURE],
    )


def sign_info(member: Member, federation: str, info: JobInfo) -> JobInfo:
    """Sign how a job ended at this node; a job that has not ended is returned unchanged. Nodes call it."""
    if not info.final:
        return info
    signature = member.sign_text(KeyPurpose.ANSWER, _info(federation, member.name, info))
    return info.model_copy(update={"signature": signature})


def check_info(info: JobInfo, card: Card, federation: Federation, job: str) -> None:
    """Raise IntegrityError for an answer about an ended job that the node has not signed.

    An error that names another node must come with that node's own signed end. Clients call it for every answer about
    a job that they act on.
    """
    if info.job != job:
        raise IntegrityError(f"node {card.name} answers about another job")
    if not info.final:
        return
    card.verify_text(KeyPurpose.ANSWER, _info(federation.id, card.name, info), info.signature)
    if info.end is not None:
        check_end(info.end, federation, job, info.bundle)
        if (info.end.state, info.end.error) != (info.state, info.error):
            raise IntegrityError(f"node {card.name} shows another end of the job than it tells")
    elif info.error is not None and info.error.node not in ("", card.name):
        raise IntegrityError(f"node {card.name} says of {info.error.node} what that one has not signed")


def _end(federation: str, end: End) -> bytes:
    told: dict[str, Any] = end.model_dump(mode="json", exclude={"signature"})
    return canonical_json({"federation": federation, "what": "end", **told})


def _info(federation: str, name: str, info: JobInfo) -> bytes:
    error = None if info.error is None else info.error.model_dump(mode="json")
    grounds = {dataset: one.model_dump(mode="json") for dataset, one in info.grounds.items()}
    told = {"job": info.job, "bundle": info.bundle, "state": info.state, "error": error, "grounds": grounds}
    return canonical_json({"federation": federation, "what": "job", "node": name, **told})
