"""Each node's half of a change: whether the signed order allows it; prepare; then the coordinator's signed verdict.

A node does not trust the coordinator: it reads the signed order itself, asks its own policy, and compares the change
with the order. A change that follows from a job needs the same job at this node.

    committed   carries the votes of all three nodes: applied at once, whoever brings it
    aborted     a node that has voted shows it to the other participant first, and undoes nothing before that one has
                answered: it either never heard of a commit, and is bound to the abort from then on, or shows the commit

So a coordinator that tells one node *commit* and the other *abort* cannot split them: a commit that three nodes voted
for stands. A node that sees both verdicts has both signatures, and writes them into its audit as proof.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from tercet.errors import InputError, IntegrityError, PlanError, ProtocolViolation, Refused, TercetError
from tercet.federation.api import ChangeOutcome
from tercet.federation.api_peer import Abort, Prepare, PrepareAnswer, TransactionState, Verdict
from tercet.federation.identity import Card
from tercet.federation.orders import CommitUpload, DropKept, Order, Refresh, Widen, Withdraw
from tercet.federation.refusals import not_found
from tercet.federation.statements import (
    check_equivocation,
    check_verdict,
    check_vote,
    sign_outcome,
    sign_verdict,
    sign_vote,
)
from tercet.node.changes.checks import Checks
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.sharing import Party
from tercet.store.audit import EQUIVOCATION_KIND
from tercet.store.change import (
    Change,
    CheckChange,
    DropChange,
    KeepChange,
    Prepared,
    RefreshChange,
    UploadChange,
    WidenChange,
    WithdrawChange,
    check_prepared,
    read_change,
)


class Participant:
    """What this node does for a transaction; it is on disk and in the audit before it answers. Thread-safe.

    Who calls it: the routes under /peer, and `Transactions` at the coordinator for its own share.
    """

    def __init__(
        self,
        context: NodeContext,
        checks: Checks,
        vouch: Callable[[Prepare, Change], None],
        visible: Callable[[], None],
    ) -> None:
        """`vouch` raises unless a job of this node stands behind a change; `visible` is called after each commit."""
        self._context = context
        self._identity = context.identity
        self._store = context.store
        self._checks = checks
        self._vouch = vouch
        self._visible = visible

    def prepare(self, prepare: Prepare) -> PrepareAnswer:
        """Prepare a change durably, and vote for it: from then on only a verdict undoes it.

        Raises what this node objects to; then nothing of the change is left here but the reason, for those who ask.
        """
        try:
            answer = self._prepare(prepare).model_dump(mode="json")
        except TercetError as error:
            if self._store.changes.find(prepare.transaction) is None:
                with suppress(TercetError):
                    reason = f"{self._identity.name}: {error.message}"
                    self._store.changes.abort(prepare.transaction, reason, change=read_change(prepare.change))
            raise
        vote = sign_vote(self._identity.member, self._identity.federation.id, prepare.transaction, answer)
        return PrepareAnswer(answer=answer, vote=vote)

    def _prepare(self, prepare: Prepare) -> Prepared:
        change = read_change(prepare.change)
        try:
            self._authorise(prepare, change)
        except Refused as error:
            told = {
                "transaction": prepare.transaction,
                "kind": change.kind,
                "rule": error.rule,
                "reason": error.message,
            }
            self._store.audit.record("change refused", told)
            raise
        self._context.at("prepare")
        evidence = {"order": prepare.order.model_dump() if prepare.order else None, "job": prepare.job}
        answer = self._store.changes.prepare(prepare.transaction, change, evidence)
        self._context.at("prepared")
        return answer

    def commit(
        self, verdict: Verdict, answers: list[Prepared], waiting: Sequence[Party] = (), *, settled: bool = False
    ) -> None:
        """Make a change visible, with what all three nodes have prepared; idempotent.

        At the coordinator this is the decision, and `waiting` are the nodes to be told. `settled`: the other
        participant has committed it, so that this node does, too, whatever it was told before.
        """
        self.check(answers)
        self._context.at("commit")
        transaction, told = verdict.transaction, verdict.model_dump(mode="json")
        result = self._store.changes.commit(transaction, answers, waiting=waiting, verdict=told, settled=settled)
        self._context.at("committed")
        self._context.log.info(
            "change visible", transaction=transaction, dataset=result.dataset, version=result.version, rows=result.rows
        )
        self._visible()

    def abort(self, transaction: str, reason: str, verdict: Verdict | None = None) -> None:
        """Undo a change, and refuse it from now on; `verdict` is the coordinator's signed abort."""
        told = None if verdict is None else verdict.model_dump(mode="json")
        self._store.changes.abort(transaction, reason, verdict=told)

    def state(self, transaction: str) -> TransactionState:
        """What this node knows of it."""
        known = self._store.changes.find(transaction)
        if known is None:
            return TransactionState(transaction=transaction, state="unknown")
        state = "prepared" if known.state == "preparing" else known.state
        answers = [answer.model_dump(mode="json") for answer in known.answers or ()]
        told = {"transaction": transaction, "state": state, "verdict": known.verdict, "answers": answers}
        return TransactionState.model_validate(told)

    def outcome(self, transaction: str) -> ChangeOutcome:
        """The outcome, for the person who ordered it. Raises a 404."""
        known = self._store.changes.find(transaction)
        if known is None:
            raise not_found("no such change is known here", hint="it was not received, or never was durable")
        found = ChangeOutcome.model_validate(
            {
                "transaction": transaction,
                "kind": known.change.kind if known.change is not None else "",
                "state": known.state if known.state in ("committed", "aborted") else "pending",
                "pending": [self._identity.federation.node(party).name for party in known.waiting],
                "reason": known.reason,
                "dataset": known.result.dataset or getattr(known.change, "dataset", ""),
                "version": known.result.version or None,
                "manifest": known.result.manifest or None,
                "rows": known.result.rows if known.result.version else None,
            }
        )
        return sign_outcome(self._identity.member, self._identity.federation.id, found)

    def ordered_by(self, transaction: str, fingerprint: str) -> bool:
        """Whether a change belongs to this person."""
        known = self._store.changes.find(transaction)
        return known is not None and getattr(known.change, "owner", None) == fingerprint

    def in_doubt(self) -> list[str]:
        """Transactions that are prepared here and undecided, as far as this node knows."""
        return [doubt.transaction for doubt in self._store.changes.in_doubt()]

    def check(self, answers: list[Prepared]) -> None:
        """Compare the three nodes' answers. Raises IntegrityError that names the nodes."""
        try:
            check_prepared(answers, [entry.name for entry in self._identity.federation.nodes])
        except IntegrityError as error:
            raise IntegrityError(error.message, hint=error.hint or "nothing was changed") from None

    # -- whether it may be

    def _authorise(self, prepare: Prepare, change: Change) -> None:
        if isinstance(change, CheckChange):
            self._checks.vouch(prepare.job or "", change)
            return
        if isinstance(change, KeepChange | RefreshChange):
            self._vouch(prepare, change)
            if prepare.order is None:
                return
        if prepare.order is None:
            raise PlanError(f"a change of kind {change.kind} needs a signed order")
        order, card = self._context.read_order(prepare.order)
        if order.transaction != prepare.transaction:
            raise IntegrityError("the order is for another transaction")
        action, me = order.action, card.fingerprint
        fits = False
        if isinstance(action, CommitUpload) and isinstance(change, UploadChange):
            self._owner_may(card, change.kind, change.dataset)
            wanted = (action.upload, action.dataset, action.rows, action.chunks, me)
            fits = (change.upload, change.dataset, change.rows, len(change.parts), change.owner) == wanted
        elif isinstance(action, Withdraw) and isinstance(change, WithdrawChange):
            whose = action.owner or me
            if whose == me:
                self._owner_may(card, "withdraw", change.dataset)
            else:
                self._operator_may(card, "withdraw the rows of others")
            fits = (change.dataset, change.owner, change.upload) == (action.dataset, whose, action.upload)
        elif isinstance(action, Widen) and isinstance(change, WidenChange):
            self._owner_may(card, "widen", change.dataset)
            fits = (change.dataset, change.owner, change.columns) == (action.dataset, me, action.columns)
        elif isinstance(action, Refresh) and isinstance(change, RefreshChange):
            self._operator_may(card, "refresh a dataset")
            fits = change.dataset == action.dataset
        elif isinstance(action, DropKept) and isinstance(change, DropChange):
            if change.owner != me:
                self._operator_may(card, "drop what others keep")
            fits = change == self.drop_of(action.name)
        if not fits:
            raise IntegrityError("the change is not the one that was ordered", hint="nothing was changed")

    def _owner_may(self, card: Card, action: str, dataset: str) -> None:
        objection = self._context.policy.current.may_change(card.fingerprint, action, dataset)
        if objection:
            raise Refused(objection, node=self._identity.name, rule="owners")

    def _operator_may(self, card: Card, what: str) -> None:
        if not self._context.is_operator(card.fingerprint):
            raise Refused(f"only operators {what}, and {card.name} is none", node=self._identity.name, rule="people")

    # -- what an order means here

    def change_of(self, order: Order, card: Card) -> Change:
        """The change that an order means, from what this node holds. The coordinator calls it."""
        action = order.action
        if isinstance(action, CommitUpload):
            info = self._store.uploads.info(action.upload, card.fingerprint)
            chunks = self._store.uploads.chunks(action.upload)
            missing = sorted({*range(action.chunks)} - {chunk.chunk for chunk in chunks})
            if missing or len(chunks) != action.chunks:
                told = f"chunk {missing[0]} is missing" if missing else f"{len(chunks)} chunks are here"
                raise InputError(
                    f"the upload has {action.chunks} chunks, and {told}", hint="send what is missing, then commit again"
                )
            return _made(
                {
                    "kind": info.mode,
                    "dataset": action.dataset,
                    "owner": card.fingerprint,
                    "upload": action.upload,
                    "rows": action.rows,
                    "parts": [chunk.part for chunk in chunks],
                }
            )
        if isinstance(action, Withdraw):
            owner = action.owner or card.fingerprint
            return _made({"kind": "withdraw", "dataset": action.dataset, "owner": owner, "upload": action.upload})
        if isinstance(action, Widen):
            return WidenChange(dataset=action.dataset, owner=card.fingerprint, columns=action.columns)
        if isinstance(action, DropKept):
            return self.drop_of(action.name)
        raise PlanError("a refresh is a job")

    def drop_of(self, name: str) -> DropChange:
        """The change that drops a kept result: a model with its arrays, or one array. Raises NotFound."""
        result = self._store.kept.result(name)
        arrays = sorted(array.handle for array in result.arrays)
        return DropChange(owner=result.owner, name="" if result.model is None else name, arrays=arrays)


def _made(data: dict[str, object]) -> Change:
    return read_change({name: value for name, value in data.items() if value is not None})


def read_answer(data: object) -> Prepared:
    """Read what another node has prepared. Raises InputError."""
    try:
        return Prepared.model_validate(data)
    except ValidationError:
        raise InputError("this is no answer to prepare") from None


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
        # the other participant; the coordinator asks neither of them
        coordinator = self._identity.coordinator
        third = next(
            (one for one in self._peers.others if one is not coordinator and not self._identity.coordinates), None
        )
        if third is not None and by != self._peers.name(third):
            self._store.changes.suspend(verdict.transaction, verdict.model_dump(mode="json"))
            self._context.at("abort shown")
            body, path = Abort(verdict=verdict, reason=reason[:500]), f"/peer/transactions/{verdict.transaction}/show"
            told = self._checked(
                self._peers.ask(third, "POST", path, TransactionState, body, timeout=_SHOW_S), verdict.transaction
            )
            if told.verdict is not None and told.verdict.state == "committed":
                self.record(told.verdict, verdict)
                self._commit(told.verdict, told.answers, settled=True)
                return
            if told.state != "aborted":
                name = self._peers.name(third)
                raise ProtocolViolation(f"{name} does not say what it knows of a change", party=third)
        # the third node showed it: that node is bound to the abort, and accepts a commit from this node only
        self._participant.abort(verdict.transaction, reason, verdict)

    def _checked(self, told: TransactionState, transaction: str) -> TransactionState:
        """What another node knows of a transaction, if its verdict is one. Raises IntegrityError."""
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
                path = f"/peer/transactions/{transaction}"
                told = self._checked(self._peers.ask(party, "GET", path, TransactionState), transaction)
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

    def found(self) -> list[str]:
        """Every change with contradicting verdicts, in sentences; the audit has the proof."""
        name = self._identity.federation.coordinator.name
        return [f"{name} signed that change {one[:8]} is committed and that it is aborted" for one in self.contested()]

    def contested(self) -> list[str]:
        """The transactions of these changes."""
        return [str(entry.details["transaction"]) for entry in self._store.audit.of_kind(EQUIVOCATION_KIND)]
