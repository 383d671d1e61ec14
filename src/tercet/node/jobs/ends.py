"""Signed ends of jobs: this node's own, and those of other nodes, each of which counts for its signer only."""

from __future__ import annotations

from tercet.errors import IntegrityError
from tercet.federation.api import End, ErrorBody, SignedRequest
from tercet.federation.api_peer import Ending
from tercet.federation.ends import check_end, sign_end, who_cancelled
from tercet.federation.identity import Card
from tercet.node.jobs.state import Job
from tercet.node.parts import NodeContext


class Ends:
    """Makes and checks them. Who calls it: everything in `node.jobs` that ends a job. Stateless."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context

    def own(self, job: str, bundle: str, state: Ending, error: ErrorBody, request: SignedRequest | None = None) -> End:
        """This node's statement that a job ended here; `request` proves who cancelled it."""
        identity = self._context.identity
        if state in ("refused", "cancelled") and error.node != identity.name:
            # only that node can say so, and it did not
            message = f"{identity.name} gave it up: {error.message}"[:2000]
            error, state = ErrorBody(error="failed", message=message, node=identity.name), "failed"
        return sign_end(identity.member, identity.federation.id, job, bundle, state, error, request)

    def heard(self, job: Job, end: End | None, teller: str) -> End:
        """What a job ends with here when another node, `teller`, says that it is over.

        That is the end that some node signed. Where none is shown, or its signer had no right to it, the job fails, in
        this node's words, because of the teller.
        """
        identity = self._context.identity
        try:
            if end is None:
                raise IntegrityError(f"{teller} says that the job is over, and shows no signed end of it")
            check_end(end, identity.federation, job.id, job.hash)
            if end.state == "cancelled":
                card = identity.card_of(end.signer)
                self._check_may(job, who_cancelled(end, card), card)
        except IntegrityError as error:
            self._context.log.warning("an end that counts for nothing", job=job.id, peer=teller, reason=error.message)
            words = f"{teller} ended the job, and gave no reason that holds: {error.message}"[:2000]
            return self.own(job.id, job.hash, "failed", ErrorBody(error="integrity", message=words, node=identity.name))
        return end

    def _check_may(self, job: Job, person: Card, node: Card) -> None:
        """Raise IntegrityError unless the person sent the job, or is an operator, here or of that node."""
        known = self._context.policy.current.person(person.fingerprint)
        operator = known is not None and "operator" in known.roles
        if person.fingerprint not in (job.analyst, node.fingerprint) and not operator:
            raise IntegrityError(
                f"{person.name}, who cancelled it at {node.name}, is neither its analyst nor an operator"
            )
