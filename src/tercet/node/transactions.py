"""The coordinator's half of a change at three nodes: all have it ready, one decides, all know in the end.

    prepare   here first, then at both others at once; each durable before it answers, digests of components compared
    decide    one database transaction here: change visible, audit entry, the three answers. That is the commit
    tell      both others, again and again; after a restart here they ask (`doubts`), as they do when they hear nothing

Before the decision everything can be given up: a transaction that the coordinator does not know as committed is
aborted, and whoever was asked to have it ready finds that out by asking. A transaction that was given up stays so: who
tries again uses a new one, so that an abort that comes late meets nothing but its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tercet.errors import InputError, PartyError, PlanError, ProtocolViolation, TercetError
from tercet.federation.api import Outcome
from tercet.federation.api_peer import Abort, Commit, Prepare, TransactionState
from tercet.federation.api_peer import Prepared as Answer
from tercet.federation.identity import Card
from tercet.federation.orders import Refresh, SignedOrder, read_order
from tercet.node.logs import Log
from tercet.node.participant import read_answer
from tercet.node.refusals import conflict, forbidden
from tercet.sharing import PARTIES, Party
from tercet.store.change import Prepared, write_change

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

_JSON = {"content-type": "application/json"}


@dataclass
class _Running:
    """A transaction that this process is at; whoever sends the same again waits for its end."""

    done: threading.Event = field(default_factory=threading.Event)


class Transactions:
    """Changes at all three nodes, run from here; used at the coordinator only. Thread-safe.

    Who calls it: the routes of changes with an order, jobs with what a job leaves behind.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="tercet transactions")

    def settle(self, in_doubt: Sequence[str]) -> None:
        """Give up what is ready here (`in_doubt`) and nobody is at any more; tell again who did not hear. Called now
        and then."""
        for transaction in in_doubt:
            with self._lock:
                running = transaction in self._running
            # looked at in this order: what ended in between is decided, and its abort refused
            if not running and self._node.participant.state(transaction).state == "prepared":
                self._node.participant.abort(transaction, "the coordinator ended before it decided")
                self._node.log.info("change given up", transaction=transaction)
        for transaction, party in self._node.changes.untold():
            with self._lock:
                running = transaction in self._running
            if not running:
                body = Commit(answers=self._node.participant.state(transaction).answers).to_json()
                if self._tell_one(party, transaction, "commit", body):
                    self._node.changes.told(transaction, party)

    def stop(self) -> None:
        """End the threads; a change under way is decided or given up first."""
        self._pool.shutdown(cancel_futures=True)

    # -- a change from its start to its end

    def order(self, signed: SignedOrder, caller: Card, action: type, about: str = "") -> Outcome:
        """Carry out what the caller signed, an order of this kind; `about` is what the route's path names.

        Raises what a node objects, or PlanError or IntegrityError for an order that is none.
        """
        self._check_coordinator()
        order, card = read_order(signed, self._node.federation.id, self._node.now())
        if card != caller:
            raise forbidden("the order was signed by somebody else", hint="sign order and request with one identity")
        if not isinstance(order.action, action):
            raise PlanError(f"an order to {order.action.action} does not belong here")
        named = getattr(order.action, "upload", None) or getattr(order.action, "name", "")
        if about and about != named:
            raise PlanError("the order is about something else than the path", hint="send it where it belongs")
        if (before := self._known(order.transaction)) is not None:
            return before
        if isinstance(order.action, Refresh):
            outcome: Outcome = self._node.jobs.refresh(signed)
            return outcome
        change = self._node.participant.change_of(order, card)
        return self.run(Prepare(transaction=order.transaction, order=signed, change=write_change(change)))

    def run(self, prepare: Prepare) -> Outcome:
        """Bring a change about at all nodes or at none; blocks until that is decided and the others were told once.

        The same transaction again gives the same outcome. Raises the error of the node that objects, Unreachable or
        Timeout if one cannot be asked, IntegrityError naming two nodes that hold different things.
        """
        self._check_coordinator()
        transaction = prepare.transaction
        with self._lock:
            running = self._running.get(transaction)
            mine = running is None
            if running is None:
                running = self._running[transaction] = _Running()
        if not mine:
            running.done.wait()
        try:
            if (before := self._known(transaction)) is not None:
                return before
            if not mine:
                raise conflict("this change was given up just now", hint="order it again")
            return self._bring_about(prepare)
        finally:
            if mine:
                with self._lock:
                    del self._running[transaction]
                running.done.set()

    def outcome(self, transaction: str) -> Outcome:
        """Say what became of a transaction. Raises a 404."""
        return self._node.participant.outcome(transaction)

    def state(self, transaction: str) -> TransactionState:
        """What the coordinator answers to a node in doubt. Raises if this is not the coordinator."""
        self._check_coordinator()
        with self._lock:
            if transaction in self._running:
                # not decided yet as far as anybody may know
                return TransactionState(transaction=transaction, state="prepared")
        return self._node.participant.state(transaction)

    @property
    def coordinates(self) -> bool:
        """Whether this node is the one that orders changes."""
        return self._node.federation.coordinator.name == self._node.settings.name

    def _check_coordinator(self) -> None:
        if not self.coordinates:
            name = self._node.federation.coordinator.name
            raise conflict(f"changes are ordered at {name}, which coordinates", hint=f"send it to {name}")

    def _known(self, transaction: str) -> Outcome | None:
        """The outcome, if there is one. Raises a 409 for what was given up."""
        if self._node.participant.state(transaction).state not in ("committed", "aborted"):
            return None
        outcome = self.outcome(transaction)
        if outcome.state == "aborted":
            raise conflict(f"this change was given up: {outcome.reason}"[:1000], hint="sign a new order to try again")
        return outcome

    def _bring_about(self, prepare: Prepare) -> Outcome:
        node, transaction = self._node, prepare.transaction
        log = node.log.bound(transaction=transaction, kind=str(prepare.change.get("kind")))
        begun = time.monotonic()
        node.at("begun")
        try:
            answers = self._prepare(prepare)
            node.participant.check(answers)
            node.at("all prepared")
        except BaseException as error:
            self._give_up(transaction, error, log, begun)
            raise
        try:
            node.participant.commit(transaction, answers, node.peers.others)
        except BaseException as error:
            self._check_decided(transaction, error, log, begun)
        node.at("decided")
        node.metrics.transactions.labels("committed").inc()
        self._tell(transaction, answers)
        node.at("told")
        outcome = self.outcome(transaction)
        log.info("change committed", pending=outcome.pending, seconds=round(time.monotonic() - begun, 3))
        return outcome

    # -- prepare

    def _prepare(self, prepare: Prepare) -> list[Prepared]:
        """Have the change ready everywhere. Here first: what others may be in doubt about is known here."""
        node = self._node
        answers = {node.me: node.participant.prepare(prepare)}
        node.at("prepared here")
        asked = {party: self._pool.submit(self._ask, party, prepare) for party in node.peers.others}
        failures: list[TercetError] = []
        for party, answer in asked.items():
            try:
                answers[party] = answer.result()
            except TercetError as error:
                failures.append(error)
        if failures:
            # an objection says more than that somebody was not reached
            raise min(failures, key=lambda error: isinstance(error, PartyError))
        return [answers[party] for party in PARTIES]

    def _ask(self, party: Party, prepare: Prepare) -> Prepared:
        timeout = self._node.settings.timeouts.worker
        answer = self._node.peers.call(
            party, "POST", "/peer/transactions", content=prepare.to_json(), timeout=timeout, headers=_JSON
        )
        try:
            return read_answer(Answer.model_validate(answer).answer)
        except (ValidationError, InputError):
            name = self._node.peers.name(party)
            raise ProtocolViolation(f"{name} did not say what it has ready", party=party) from None

    def _check_decided(self, transaction: str, error: BaseException, log: Log, begun: float) -> None:
        """The decision failed, or only what follows it: gives back if it stands in the catalogue, else raises.

        Its answer may have been lost, or it may be on its way still: only an abort that is written down tells.
        """
        if self._give_up(transaction, error, log, begun):
            raise error
        try:
            state = self._node.participant.state(transaction).state
        except TercetError:
            state = "unknown"
        if state != "committed":
            # nobody is told either word; `settle` finds out when the catalogue answers again, and others wait
            log.error("decision not known", reason=_words(error))
            raise error
        log.warning("decided, but not tidied up", reason=_words(error))

    def _give_up(self, transaction: str, error: BaseException, log: Log, begun: float) -> bool:
        """Write down that nothing comes of it, then tell everybody; whom this does not reach finds out by asking.

        False, and nobody is told, if it cannot be written down.
        """
        words = _words(error)
        try:
            self._node.participant.abort(transaction, words)
        except TercetError as trouble:
            log.warning("abort not written down", reason=trouble.message)
            return False
        self._node.metrics.transactions.labels("aborted").inc()
        log.info("change given up", reason=words, seconds=round(time.monotonic() - begun, 3))
        body = Abort(reason=words).to_json()
        for party in self._node.peers.others:
            self._pool.submit(self._tell_one, party, transaction, "abort", body)
        return True

    # -- tell

    def _tell(self, transaction: str, answers: list[Prepared]) -> None:
        others = self._node.peers.others
        body = Commit(answers=[answer.model_dump(mode="json") for answer in answers]).to_json()
        told = {party: self._pool.submit(self._tell_one, party, transaction, "commit", body) for party in others}
        for party, knows in told.items():
            if knows.result():
                self._node.changes.told(transaction, party)

    def _tell_one(self, party: Party, transaction: str, what: str, body: bytes) -> bool:
        try:
            self._node.peers.call(
                party, "POST", f"/peer/transactions/{transaction}/{what}", content=body, headers=_JSON
            )
        except TercetError as error:
            name = self._node.peers.name(party)
            self._node.log.warning(f"{what} not told", transaction=transaction, peer=name, reason=error.message)
            return False
        return True


def _words(error: BaseException) -> str:
    text = error.message if isinstance(error, TercetError) else type(error).__name__
    return " ".join(text.split())[:500]
