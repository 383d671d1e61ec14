"""Every node's half of a change: whether it may be, from the order that its person signed; then ready, visible or gone.

The coordinator's word is not enough: a node reads the signed order itself, asks its own policy, and holds the change
against the order. What follows from a job needs this node's own job to stand behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tercet.errors import InputError, IntegrityError, PlanError, Refused
from tercet.federation.api import Outcome
from tercet.federation.api_peer import Prepare, TransactionState
from tercet.federation.identity import Card
from tercet.federation.orders import CommitUpload, DropKept, Order, Refresh, Withdraw
from tercet.node.refusals import not_found
from tercet.sharing import PARTIES, Party
from tercet.store.change import (
    Change,
    DropChange,
    KeepChange,
    Prepared,
    RefreshChange,
    UploadChange,
    WithdrawChange,
    check_prepared,
    read_change,
)

if TYPE_CHECKING:
    from tercet.node.supervisor import Node


class Participant:
    """What this node does for a transaction; on disk and in the audit before it answers. Thread-safe.

    Who calls it: the routes under /peer, and `Transactions` at the coordinator for its own share.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def prepare(self, prepare: Prepare) -> Prepared:
        """Have a change ready. Raises what this node objects to; then nothing is left of it here."""
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
            self._node.audit.record("change refused", told)
            raise
        self._node.at("prepare")
        evidence = {"order": prepare.order.model_dump() if prepare.order else None, "job": prepare.job}
        answer = self._node.changes.prepare(prepare.transaction, change, evidence)
        self._node.at("prepared")
        return answer

    def commit(self, transaction: str, answers: list[Prepared], waiting: Sequence[Party] = ()) -> None:
        """Make it visible, with what all three had ready; again: nothing more happens.

        At the coordinator this is the decision, and `waiting` are those who are to be told.
        """
        self.check(answers)
        self._node.at("commit")
        result = self._node.changes.commit(transaction, answers, waiting=waiting)
        self._node.at("committed")
        self._node.log.info(
            "change visible", transaction=transaction, dataset=result.dataset, version=result.version, rows=result.rows
        )
        self._node.changed()

    def abort(self, transaction: str, reason: str) -> None:
        """Undo it, and refuse it from now on."""
        self._node.changes.abort(transaction, reason)

    def state(self, transaction: str) -> TransactionState:
        """What this node knows of it."""
        known = self._node.changes.find(transaction)
        if known is None:
            return TransactionState(transaction=transaction, state="unknown")
        state = "prepared" if known.state == "preparing" else known.state
        answers = [answer.model_dump(mode="json") for answer in known.answers or ()]
        return TransactionState.model_validate({"transaction": transaction, "state": state, "answers": answers})

    def outcome(self, transaction: str) -> Outcome:
        """What became of it, for whoever ordered it. Raises a 404."""
        known = self._node.changes.find(transaction)
        if known is None:
            raise not_found("no such change is known here", hint="it was not received, or never was durable")
        return Outcome.model_validate(
            {
                "transaction": transaction,
                "kind": known.change.kind if known.change is not None else "",
                "state": known.state if known.state in ("committed", "aborted") else "pending",
                "pending": [self._node.federation.node(party).name for party in known.waiting],
                "reason": known.reason,
                "dataset": known.result.dataset or getattr(known.change, "dataset", ""),
                "version": known.result.version or None,
                "rows": known.result.rows if known.result.version else None,
            }
        )

    def ordered_by(self, transaction: str, fingerprint: str) -> bool:
        """Whether this person is the one that a change belongs to."""
        known = self._node.changes.find(transaction)
        return known is not None and getattr(known.change, "owner", None) == fingerprint

    def in_doubt(self) -> list[str]:
        """Transactions that are ready here and not decided, as far as this node knows."""
        return [doubt.transaction for doubt in self._node.changes.in_doubt()]

    def check(self, answers: list[Prepared]) -> None:
        """Hold the three nodes' answers against each other. Raises IntegrityError that names the nodes."""
        try:
            check_prepared(answers)
        except IntegrityError as error:
            names = ", ".join(f"{int(party)} is {self._node.federation.node(party).name}" for party in PARTIES)
            raise IntegrityError(f"{error.message} ({names})", hint=error.hint or "nothing was changed") from None

    # -- whether it may be

    def _authorise(self, prepare: Prepare, change: Change) -> None:
        if isinstance(change, KeepChange | RefreshChange):
            self._node.jobs.vouch(prepare, change)
            if prepare.order is None:
                return
        if prepare.order is None:
            raise PlanError(f"a change of kind {change.kind} needs a signed order")
        order, card = self._node.read_order(prepare.order)
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
        objection = self._node.policy.current.may_change(card.fingerprint, action, dataset)
        if objection:
            raise Refused(objection, node=self._node.settings.name, rule="owners")

    def _operator_may(self, card: Card, what: str) -> None:
        # an operator may act with his node's own keys, and other nodes take that as the word of an operator
        person = self._node.policy.current.person(card.fingerprint)
        operator = person is not None and "operator" in person.roles
        if not operator and self._node.federation.find(card.fingerprint) is None:
            raise Refused(
                f"only operators {what}, and {card.name} is none", node=self._node.settings.name, rule="people"
            )

    # -- what an order means here

    def change_of(self, order: Order, card: Card) -> Change:
        """The change that an order stands for, from what this node holds. The coordinator calls it."""
        action = order.action
        if isinstance(action, CommitUpload):
            info = self._node.uploads.info(action.upload, card.fingerprint)
            chunks = self._node.uploads.chunks(action.upload)
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
        if isinstance(action, DropKept):
            return self.drop_of(action.name)
        raise PlanError("a refresh is a job")

    def drop_of(self, name: str) -> DropChange:
        """What dropping a kept name means: a model with its arrays, or one array. Raises NotFound."""
        kept = self._node.kept
        models = [model for model in kept.models() if model.name == name]
        if models:
            model = models[0]
            return DropChange(owner=model.owner, name=name, arrays=sorted(array.handle for array in model.arrays))
        array = kept.get(name)
        return DropChange(owner=array.owner, arrays=[array.handle])


def _made(data: dict[str, object]) -> Change:
    return read_change({name: value for name, value in data.items() if value is not None})


def read_answer(data: object) -> Prepared:
    """Read what another node has ready. Raises InputError."""
    try:
        return Prepared.model_validate(data)
    except ValidationError:
        raise InputError("this is no answer to prepare") from None
