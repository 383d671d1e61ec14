"""The coordinator's half of a change at three nodes: two phases, prepare and commit, with one decision.

    prepare   here first, then at both others at once; each durable before it answers, digests of components compared
    check     the values of an upload, under sharing (`check_rounds`); the bit is durable at all three before
    decide    one database transaction here: change visible, audit entry, the three votes, the signed verdict
    tell      both others, until they have answered; they also ask themselves (`recovery`) when they hear nothing

Before the decision a change can be given up: a transaction that the coordinator does not know as committed counts as
aborted, and a node that has it prepared finds that out by asking. An aborted transaction stays aborted: a new attempt
uses a new transaction, so that an abort that arrives late cannot affect it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tercet.errors import InputError, PlanError, ProtocolViolation, TercetError
from tercet.federation.api import ChangeOutcome
from tercet.federation.api_admin import CheckReport
from tercet.federation.api_peer import Abort, Commit, Prepare, PrepareAnswer, TransactionState
from tercet.federation.identity import Card
from tercet.federation.model import fresh_id
from tercet.federation.orders import Refresh, SignedOrder, read_order
from tercet.federation.refusals import conflict, forbidden
from tercet.federation.statements import check_vote, sign_verdict
from tercet.node.changes.check_rounds import CheckRounds, worst
from tercet.node.changes.participant import Participant, Verdicts, read_answer
from tercet.node.logs import Log
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.sharing import PARTIES, Party
from tercet.store.change import CheckChange, SegmentName, write_change


class Transactions:
    """Changes at all three nodes, run from here; used at the coordinator only. Thread-safe.

    Who calls it: the routes of changes with an order, jobs with what a job leaves behind.
    """

    def __init__(
        self,
        context: NodeContext,
        peers: Peers,
        participant: Participant,
        verdicts: Verdicts,
        check_rounds: CheckRounds,
        refresh: Callable[[SignedOrder], ChangeOutcome],
    ) -> None:
        """`refresh`: carries out an order to refresh a dataset, which is a job; blocks until its change is decided."""
        self._context = context
        self._identity = context.identity
        self._store = context.store
        self._peers = peers
        self._participant = participant
        self._verdicts = verdicts
        self._check_rounds = check_rounds
        self._refresh = refresh
        self._lock = threading.Lock()
        self._running: dict[str, threading.Event] = {}
        """Under way in this process, with their ends, for which the same request sent again waits."""
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="tercet transactions")

    def settle(self, in_doubt: Sequence[str]) -> None:
        """Abort what is prepared here (`in_doubt`) and not under way; tell again the nodes that did not answer.

        Called twice a second by `Doubts`."""
        for transaction in in_doubt:
            with self._lock:
                running = transaction in self._running
            # in this order: a change that ended in between is decided, and its abort is refused
            if not running and self._participant.state(transaction).state == "prepared":
                reason = "the coordinator ended before it decided"
                self._participant.abort(transaction, reason, self._verdicts.aborted(transaction))
                self._context.log.info("change given up", transaction=transaction)
        for transaction, party in self._store.changes.untold():
            with self._lock:
                running = transaction in self._running
            if not running:
                state = self._participant.state(transaction)
                assert state.verdict is not None
                body = Commit(verdict=state.verdict, answers=state.answers).to_json()
                if self._tell_one(party, transaction, "commit", body):
                    self._store.changes.told(transaction, party)

    def stop(self) -> None:
        """End the threads; a change under way is decided or given up first."""
        self._pool.shutdown(cancel_futures=True)

    # -- a change from its start to its end

    def order(self, signed: SignedOrder, caller: Card, action: type, about: str = "") -> ChangeOutcome:
        """Carry out what the caller signed, an order of this kind; `about` is what the route's path names.

        Raises what a node objects, or PlanError or IntegrityError for an order that is none.
        """
        self._check_coordinator()
        order, card = read_order(signed, self._identity.federation.id, self._context.now())
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
            return self._refresh(signed)
        change = self._participant.change_of(order, card)
        return self.run(Prepare(transaction=order.transaction, order=signed, change=write_change(change)))

    def run(self, prepare: Prepare) -> ChangeOutcome:
        """Carry out a change at all nodes or at none; blocks until it is decided and the others were told once.

        The same transaction again gives the same outcome. Raises the error of the node that objects, Unreachable or
        Timeout if one cannot be asked, IntegrityError naming two nodes that hold different things.
        """
        self._check_coordinator()
        transaction = prepare.transaction
        with self._lock:
            running = self._running.get(transaction)
            mine = running is None
            if running is None:
                running = self._running[transaction] = threading.Event()
        if not mine:
            running.wait()
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
                running.set()

    def state(self, transaction: str) -> TransactionState:
        """The answer to a node in doubt. A transaction that the coordinator does not know is aborted at once."""
        if not self._identity.coordinates:
            return self._participant.state(transaction)
        with self._lock:
            if transaction in self._running:
                # nobody may know the decision yet
                return TransactionState(transaction=transaction, state="prepared")
        found = self._participant.state(transaction)
        if found.state == "unknown" or (found.state == "aborted" and found.verdict is None):
            # an objection of this node itself has no verdict; the promise never to commit needs one
            self._participant.abort(
                transaction, f"{self._identity.name} does not know it", self._verdicts.aborted(transaction)
            )
            verdict = self._verdicts.aborted(transaction)
            return TransactionState(transaction=transaction, state="aborted", verdict=verdict)
        return found

    # -- checks of what is visible

    def check_dataset(self, name: str) -> CheckReport:
        """Check the values of a dataset that nobody has checked, and mark those that pass, in a new version.

        Who calls it: the operator's route, and the dispatcher before it starts a job. Raises the error of a node that
        objects or fails, HttpError (503) if no lane becomes free, NotFound.
        """
        self._check_coordinator("checks", "run it at")
        with self._check_rounds.turn(f"dataset {name}"):
            version = self._store.datasets.get(name)
            unchecked = version.unchecked
            if not unchecked:
                return CheckReport(dataset=name, version=version.version)
            run, bits = self._check_rounds.check_version(version)
            good = [one for one, bit in zip(unchecked, bits, strict=True) if bit]
            number = version.version
            if good:
                change = CheckChange(
                    dataset=name,
                    version=version.version,
                    manifest=version.manifest,
                    segments=[SegmentName(segment=one.segment, base=one.base) for one in good],
                )
                made = self.run(Prepare(transaction=fresh_id(), job=run, change=write_change(change)))
                number = made.version or number
            failed = {one.upload for one, bit in zip(unchecked, bits, strict=True) if not bit}
            return CheckReport(
                dataset=name,
                version=number,
                passed=sorted({one.upload for one in good} - failed),
                failed=sorted(failed),
            )

    def _check_coordinator(self, what: str = "changes", advice: str = "send it to") -> None:
        if not self._identity.coordinates:
            name = self._identity.federation.coordinator.name
            raise conflict(f"{what} are ordered at {name}, which coordinates", hint=f"{advice} {name}")

    def _known(self, transaction: str) -> ChangeOutcome | None:
        """The outcome, if there is one. Raises a 409 for a transaction that was aborted."""
        if self._participant.state(transaction).state not in ("committed", "aborted"):
            return None
        outcome = self._participant.outcome(transaction)
        if outcome.state == "aborted":
            raise conflict(f"this change was given up: {outcome.reason}"[:1000], hint="sign a new order to try again")
        return outcome

    def _bring_about(self, prepare: Prepare) -> ChangeOutcome:
        transaction = prepare.transaction
        log = self._context.log.bound(transaction=transaction, kind=str(prepare.change.get("kind")))
        begun = time.monotonic()
        self._context.at("begun")
        try:
            ready = self._prepare(prepare)
            answers = [read_answer(one.answer) for one in ready]
            self._participant.check(answers)
            self._context.at("all prepared")
            # no node commits an upload of which it has not seen, and written down, that its values are in their ranges
            self._check_rounds.before_decision(prepare)
        except BaseException as error:
            self._give_up(transaction, error, log, begun)
            raise
        try:
            # nobody is told before the catalogue has it: a verdict that is not stored was never given
            votes = [one.vote for one in ready]
            verdict = sign_verdict(self._identity.member, self._identity.federation.id, transaction, "committed", votes)
            self._participant.commit(verdict, answers, self._peers.others)
        except BaseException as error:
            self._check_decided(transaction, error, log, begun)
        self._context.at("decided")
        self._context.metrics.transactions.labels("committed").inc()
        self._tell(transaction, Commit(verdict=verdict, answers=[one.answer for one in ready]).to_json())
        self._context.at("told")
        outcome = self._participant.outcome(transaction)
        log.info("change committed", pending=outcome.pending, seconds=round(time.monotonic() - begun, 3))
        return outcome

    # -- prepare

    def _prepare(self, prepare: Prepare) -> list[PrepareAnswer]:
        """Have the change prepared at all nodes; here first, as others may be in doubt about it afterwards."""
        answers = {self._identity.me: self._participant.prepare(prepare)}
        self._context.at("prepared here")
        asked = {party: self._pool.submit(self._ask, party, prepare) for party in self._peers.others}
        failures: list[TercetError] = []
        for party, answer in asked.items():
            try:
                answers[party] = answer.result()
            except TercetError as error:
                failures.append(error)
        if failures:
            raise worst(failures)
        return [answers[party] for party in PARTIES]

    def _ask(self, party: Party, prepare: Prepare) -> PrepareAnswer:
        timeout = self._context.settings.timeouts.worker
        ready = self._peers.ask(party, "POST", "/peer/transactions", PrepareAnswer, prepare, timeout=timeout)
        try:
            read_answer(ready.answer)
        except InputError:
            name = self._peers.name(party)
            raise ProtocolViolation(f"{name} did not say what it has ready", party=party) from None
        federation = self._identity.federation
        check_vote(ready.vote, federation.node(party).card, federation.id, prepare.transaction, ready.answer)
        return ready

    def _check_decided(self, transaction: str, error: BaseException, log: Log, begun: float) -> None:
        """The commit raised: return if the decision is in the catalogue all the same, else raise `error`.

        The database's answer may have been lost, or may still come: only an abort that is stored makes sure.
        """
        if self._give_up(transaction, error, log, begun):
            raise error
        try:
            state = self._participant.state(transaction).state
        except TercetError:
            state = "unknown"
        if state != "committed":
            # nobody is told anything; `settle` finds out when the catalogue answers again, and the others wait
            log.error("decision not known", reason=_words(error))
            raise error
        log.warning("decided, but not tidied up", reason=_words(error))

    def _give_up(self, transaction: str, error: BaseException, log: Log, begun: float) -> bool:
        """Store the abort, then tell both others; a node that this does not reach finds out by asking.

        False, and nobody is told, if it cannot be stored.
        """
        words = _words(error)
        try:
            verdict = self._verdicts.aborted(transaction)
            self._participant.abort(transaction, words, verdict)
        except TercetError as trouble:
            log.warning("abort not written down", reason=trouble.message)
            return False
        self._context.metrics.transactions.labels("aborted").inc()
        log.info("change given up", reason=words, seconds=round(time.monotonic() - begun, 3))
        body = Abort(verdict=verdict, reason=words).to_json()
        for party in self._peers.others:
            self._pool.submit(self._tell_one, party, transaction, "abort", body)
        return True

    # -- tell

    def _tell(self, transaction: str, body: bytes) -> None:
        others = self._peers.others
        told = {party: self._pool.submit(self._tell_one, party, transaction, "commit", body) for party in others}
        for party, knows in told.items():
            if knows.result():
                self._store.changes.told(transaction, party)

    def _tell_one(self, party: Party, transaction: str, what: str, body: bytes) -> bool:
        try:
            self._peers.ask(party, "POST", f"/peer/transactions/{transaction}/{what}", TransactionState, body)
        except TercetError as error:
            name = self._peers.name(party)
            self._context.log.warning(f"{what} not told", transaction=transaction, peer=name, reason=error.message)
            return False
        return True


def _words(error: BaseException) -> str:
    text = error.message if isinstance(error, TercetError) else type(error).__name__
    return " ".join(text.split())[:500]
