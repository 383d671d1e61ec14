"""Signed statements of nodes about the end of a job.

The node at which a job ended first makes an `End`, which is passed on unchanged to the other nodes and the analyst.
*Refused* and *cancelled* are valid only with the signature of the node that refused or cancelled; a cancellation also
needs the signed request of the person who cancelled. In addition each node signs how the job ended there
(`sign_info`); to a client a job has ended once all three have signed.
"""

from __future__ import annotations

import base64
from typing import Any

from tercet.errors import ConfigError, IntegrityError
from tercet.federation.api import End, ErrorBody, JobInfo, SignedRequest
from tercet.federation.canonical import canonical_json
from tercet.federation.federation import Federation
from tercet.federation.identity import Card, KeyPurpose, Member, encode_base64url
from tercet.federation.outcomes import signature_bytes
from tercet.federation.requests import CERTIFICATE, CONTENT, DATE, NONCE, SIGNATURE, signed_bytes

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
    signature = member.sign(KeyPurpose.ANSWER, _end(federation, unsigned))
    return unsigned.model_copy(update={"signature": encode_base64url(signature)})


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
    card.verify(KeyPurpose.ANSWER, _end(federation.id, end), signature_bytes(end.signature, end.signer))
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
    person.verify(KeyPurpose.REQUEST, message, signature_bytes(request.signature, person.name))
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
    signature = member.sign(KeyPurpose.ANSWER, _info(federation, member.name, info))
    return info.model_copy(update={"signature": encode_base64url(signature)})


def check_info(info: JobInfo, card: Card, federation: Federation, job: str) -> None:
    """Raise IntegrityError for an answer about an ended job that the node has not signed.

    An error that names another node must come with that node's own signed end. Clients call it for every answer about
    a job that they act on.
    """
    if info.job != job:
        raise IntegrityError(f"node {card.name} answers about another job")
    if not info.final:
        return
    card.verify(KeyPurpose.ANSWER, _info(federation.id, card.name, info), signature_bytes(info.signature, card.name))
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
