"""Each node's half of a change: whether the signed order allows it; then prepare, commit or abort.

A node does not trust the coordinator: it reads the signed order itself, asks its own policy, and compares the change
with the order. A change that follows from a job needs the same job at this node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from pydantic import ValidationError

from tercet.errors import InputError, IntegrityError, PlanError, Refused, TercetError
from tercet.federation.api import ChangeOutcome
from tercet.federation.api_peer import Prepare, PrepareAnswer, TransactionState, Verdict
from tercet.federation.identity import Card
from tercet.federation.orders import CommitUpload, DropKept, Order, Refresh, Widen, Withdraw
from tercet.federation.outcomes import sign_outcome
from tercet.federation.refusals import not_found
from tercet.federation.verdicts import sign_vote
from tercet.node.changes.checks import Checks
from tercet.node.parts import NodeContext
from tercet.sharing import Party
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
            self._object(prepare.transaction, prepare.change, error)
            raise
        vote = sign_vote(self._identity.member, self._identity.federation.id, prepare.transaction, answer)
        return PrepareAnswer(answer=answer, vote=vote)

    def _object(self, transaction: str, change: object, error: TercetError) -> None:
        """Store that this node objected, unless it knows the transaction already."""
        known = self._store.changes.find(transaction)
        if known is None:
            with suppress(TercetError):
                reason = f"{self._identity.name}: {error.message}"
                self._store.changes.abort(transaction, reason, change=read_change(change))

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
        # an operator may act with their node's own keys, and other nodes accept that as an operator's order
        person = self._context.policy.current.person(card.fingerprint)
        operator = person is not None and "operator" in person.roles
        if not operator and self._identity.federation.find(card.fingerprint) is None:
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
