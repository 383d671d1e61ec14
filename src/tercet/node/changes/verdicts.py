"""Handles the coordinator's signed verdicts: applies commits, shows aborts to the third node, records contradictions.

    committed   carries the votes of all three nodes: applied at once, whoever brings it
    aborted     a node that has voted shows it to the other participant first, and undoes nothing before that one has
                answered: it either never heard of a commit, and is bound to the abort from then on, or shows the commit

So a coordinator that tells one node *commit* and the other *abort* cannot split them: a commit that three nodes voted
for stands. A node that sees both verdicts has both signatures, and writes them into its audit as proof.
"""

from __future__ import annotations

import threading
from typing import Any

from tercet.errors import InputError, IntegrityError, ProtocolViolation, TercetError
from tercet.federation.api_peer import Abort, TransactionState, Verdict
from tercet.federation.verdicts import check_equivocation, check_verdict, check_vote, sign_verdict
from tercet.node.changes.participant import Participant, read_answer
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.sharing import Party
from tercet.store.audit import EQUIVOCATION_KIND

_SHOW_S = 3.0


class Verdicts:
    """Who calls it: the routes under /peer, `Transactions` at the coordinator, and who settles doubts. Thread-safe."""

    def __init__(self, context: NodeContext, peers: Peers, participant: Participant) -> None:
        self._context = context
        self._identity = context.identity
        self._store = context.store
        self._peers = peers
        self._participant = participant
        self._lock = threading.Lock()

    # -- at the coordinator

    def aborted(self, transaction: str) -> Verdict:
        """This coordinator's signed abort; the abort must be in the catalogue already."""
        return sign_verdict(self._identity.member, self._identity.federation.id, transaction, "aborted")

    # -- at every node

    def hear(self, verdict: Verdict, answers: list[Any], reason: str, by: str) -> TransactionState:
        """Apply a verdict that the node `by` brought; gives the state of the change here.

        Raises IntegrityError for a verdict that the coordinator did not sign, or that lacks votes; Unreachable or
        Timeout if an abort cannot be shown to the other participant, and then the change stays prepared.
        """
        transaction = verdict.transaction
        check_verdict(verdict, self._identity.federation, transaction)
        known = self._store.changes.find(transaction)
        before = None if known is None or known.verdict is None else Verdict.model_validate(known.verdict)
        if before is not None and before.state != verdict.state:
            self.record(before, verdict)
            verdict = before  # the first verdict counts, unless the third node has committed
        try:
            if known is not None and known.state == "prepared" and verdict.state == "aborted":
                self._abort(verdict, reason, by)
            elif verdict.state == "aborted":
                self._participant.abort(transaction, reason, verdict)
            elif before is None:
                self._commit(verdict, answers)
        except InputError:
            # decided meanwhile, by another verdict that came at the same time
            known = self._store.changes.find(transaction)
            if known is None or known.verdict is None or known.verdict["state"] == verdict.state:
                raise
            self.record(Verdict.model_validate(known.verdict), verdict)
        return self._participant.state(transaction)

    def _commit(self, verdict: Verdict, answers: list[Any], *, settled: bool = False) -> None:
        federation = self._identity.federation
        if len(answers) != len(verdict.votes):
            raise IntegrityError("a commit came without what the nodes have ready")
        for entry, vote, answer in zip(federation.nodes, verdict.votes, answers, strict=True):
            check_vote(vote, entry.card, federation.id, verdict.transaction, answer)
        self._participant.commit(verdict, [read_answer(answer) for answer in answers], settled=settled)

    def _abort(self, verdict: Verdict, reason: str, by: str) -> None:
        """Abort what this node has voted for, once the third node cannot commit it any more."""
        third = self._third()
        if third is not None and by != self._peers.name(third):
            self._store.changes.suspend(verdict.transaction, verdict.model_dump(mode="json"))
            self._context.at("abort shown")
            told = self.show(third, verdict, reason)
            if told.verdict is not None and told.verdict.state == "committed":
                self.record(told.verdict, verdict)
                self._commit(told.verdict, told.answers, settled=True)
                return
            if told.state != "aborted":
                name = self._peers.name(third)
                raise ProtocolViolation(f"{name} does not say what it knows of a change", party=third)
        # the third node showed it: that node is bound to the abort, and accepts a commit from this node only
        self._participant.abort(verdict.transaction, reason, verdict)

    def _third(self) -> Party | None:
        """The other participant; None at the coordinator, which asks neither of them."""
        coordinator = self._identity.coordinator
        return None if self._identity.coordinates else next(p for p in self._peers.others if p is not coordinator)

    def show(self, party: Party, verdict: Verdict, reason: str) -> TransactionState:
        """Show another node a verdict; gives what that node knows. Raises as `Peers.ask`."""
        body = Abort(verdict=verdict, reason=reason[:500])
        path = f"/peer/transactions/{verdict.transaction}/show"
        return self._checked(
            verdict.transaction, self._peers.ask(party, "POST", path, TransactionState, body, timeout=_SHOW_S)
        )

    def ask(self, party: Party, transaction: str, timeout: float | None = None) -> TransactionState:
        """What another node knows of a transaction, its verdict checked. Raises as `Peers.ask`, or IntegrityError."""
        path = f"/peer/transactions/{transaction}"
        return self._checked(transaction, self._peers.ask(party, "GET", path, TransactionState, timeout=timeout))

    def _checked(self, transaction: str, told: TransactionState) -> TransactionState:
        if told.verdict is not None:
            check_verdict(told.verdict, self._identity.federation, transaction)
        return told

    def settle(self, transaction: str) -> bool:
        """Find out the decision about a change that is prepared here: from the coordinator, else from the third node.

        False while no node that knows can be asked.
        """
        known = self._store.changes.find(transaction)
        if known is not None and known.state == "prepared" and known.verdict is not None:
            # an abort that the third node was perhaps shown: that node decides
            self._abort(Verdict.model_validate(known.verdict), "it was given up", "")
            return True
        coordinator = self._identity.coordinator
        trouble: TercetError | None = None
        for party in sorted(self._peers.others, key=lambda one: one is not coordinator):
            try:
                told = self.ask(party, transaction)
            except TercetError as error:
                trouble = trouble or error
                continue
            if told.verdict is not None:
                # the third node has shown its abort here before, or was never asked to prepare
                by = self._peers.name(party)
                return self.hear(told.verdict, told.answers, f"{by}: it was given up", by).state != "prepared"
            if party is coordinator:
                return False
        if trouble is not None:
            raise trouble
        return False

    # -- proofs

    def record(self, one: Verdict, other: Verdict) -> None:
        """Record, once, that the coordinator signed two contradicting verdicts of one transaction."""
        try:
            check_equivocation(one, other, self._identity.federation)
        except IntegrityError as error:
            self._context.log.warning("two verdicts that prove nothing", reason=error.message)
            return
        with self._lock:
            if one.transaction in self.contested():
                return
            signed = sorted((one, other), key=lambda verdict: verdict.state)
            told = {
                "node": self._identity.federation.coordinator.name,
                "transaction": one.transaction,
                "verdicts": [verdict.model_dump(mode="json") for verdict in signed],
            }
            self._store.audit.record(EQUIVOCATION_KIND, told)
        self._context.log.warning("the coordinator said two things", transaction=one.transaction)

    def _words(self, transaction: str) -> str:
        name = self._identity.federation.coordinator.name
        return f"{name} signed that change {transaction[:8]} is committed and that it is aborted"

    def found(self) -> list[str]:
        """Every change with contradicting verdicts, in sentences; the audit has the proof."""
        return [self._words(transaction) for transaction in self.contested()]

    def contested(self) -> list[str]:
        """The transactions of these changes."""
        return [str(entry.details["transaction"]) for entry in self._store.audit.of_kind(EQUIVOCATION_KIND)]
