"""Recovery of changes: those that are undecided for a while, and those that a node lacks.

`Doubts` settles what is prepared and undecided: the coordinator aborts what it began and never decided, and tells again
the nodes that did not answer; the others ask it, and each other. So every change ends after any crash.

`Repair` brings a node to the state of the other two. A split can be left by a coordinator that lied while this node
could not ask, by a node restored from a backup, or by a coordinator that decided otherwise than it told. A commit that
all three nodes voted for stands: its verdict, its votes and its order are fetched from another node, checked against
the federation file, and the change is made ready here anew. It is committed only if what is ready is exactly what this
node itself voted for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from sqlalchemy import select

from tercet.errors import IntegrityError, TercetError
from tercet.federation.api_admin import Repaired
from tercet.federation.api_peer import Verdict, VersionList, VersionMade, WholeChange
from tercet.federation.refusals import not_found
from tercet.federation.statements import answer_digest, check_verdict, check_vote
from tercet.node.changes.coordinator import Transactions
from tercet.node.changes.participant import Participant, Verdicts, read_answer
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.sharing import Party
from tercet.store.change import UploadChange, read_change, write_change
from tercet.store.tables import VERSIONS

_LOOK_S = 0.5


class Doubts:
    """Settles changes that are ready here and not decided. Who calls it: the node, at its start and end."""

    def __init__(
        self, context: NodeContext, participant: Participant, verdicts: Verdicts, transactions: Transactions
    ) -> None:
        self._context = context
        self._participant = participant
        self._verdicts = verdicts
        self._transactions = transactions
        self._seen: dict[str, float] = {}
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._settle_on, name="tercet doubts", daemon=True)

    def start(self) -> None:
        """Start the thread; what is in doubt from before the start is asked about at once."""
        long_ago = time.monotonic() - self._context.settings.timeouts.doubt
        self._seen = dict.fromkeys(self._participant.in_doubt(), long_ago)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is in doubt stays in doubt until the next start."""
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _settle_on(self) -> None:
        usual = min(_LOOK_S, self._context.settings.timeouts.doubt)
        pause = usual
        while not self._wake.is_set():
            try:
                self._settle()
                pause = usual
            except TercetError as error:
                self._context.log.warning("changes not settled", reason=error.message)
                pause = min(2 * pause, 8.0)
            except Exception as error:
                # a defect must not end the thread, or datasets would stay locked
                self._context.log.defect(error)
                pause = min(2 * pause, 8.0)
            self._wake.wait(pause)

    def _settle(self) -> None:
        in_doubt = self._participant.in_doubt()
        self._context.metrics.in_doubt.set(len(in_doubt))
        if self._context.identity.coordinates:
            self._transactions.settle(in_doubt)
        else:
            self._ask(in_doubt)

    def _ask(self, in_doubt: Sequence[str]) -> None:
        now = time.monotonic()
        self._seen = {one: self._seen.get(one, now) for one in in_doubt}
        for transaction, since in self._seen.items():
            if now - since >= self._context.settings.timeouts.doubt and self._verdicts.settle(transaction):
                self._context.log.info("doubt settled", transaction=transaction)


_PAGE = 1000


class Repair:
    """Who calls it: the routes between nodes, for another's repair; the operator's route, for this node's."""

    def __init__(self, context: NodeContext, peers: Peers, participant: Participant, verdicts: Verdicts) -> None:
        self._context = context
        self._identity = context.identity
        self._store = context.store
        self._peers = peers
        self._participant = participant
        self._verdicts = verdicts

    # -- for others

    def whole(self, transaction: str) -> WholeChange:
        """A committed change with its proof. Raises a 404."""
        known = self._store.changes.find(transaction)
        if known is None or known.state != "committed" or known.verdict is None or known.change is None:
            raise not_found(f"{self._identity.name} has not committed such a change")
        told = {
            "transaction": transaction,
            "change": write_change(known.change),
            "evidence": known.evidence,
            "verdict": known.verdict,
            "answers": [answer.model_dump(mode="json") for answer in known.answers or ()],
        }
        return WholeChange.model_validate(told)

    def versions(self, dataset: str, after: int = 0) -> list[VersionMade]:
        """The versions of a dataset after number `after`, oldest first, and the transactions that made them."""
        wanted = select(VERSIONS).where(VERSIONS.c.dataset == dataset, VERSIONS.c.version > after)
        with self._store.catalogue.read() as connection:
            rows = connection.execute(wanted.order_by(VERSIONS.c.version).limit(_PAGE)).all()
        return [VersionMade(version=row.version, manifest=row.manifest, transaction=row.transaction_id) for row in rows]

    # -- of this node

    def missing(self) -> list[str]:
        """Transactions that another node has committed and this one has not, in the order of their versions.

        Raises Unreachable or Timeout if the others cannot be asked.
        """
        found: dict[str, None] = {}
        for party in self._peers.others:
            names = self._peers.look(party).differing
            for name in names:
                here = {one.transaction for one in _paged(partial(self.versions, name))}
                for one in _paged(partial(self._versions_at, party, name)):
                    if one.transaction not in here:
                        found.setdefault(one.transaction)
        for entry in self._verdicts.contested():
            known = self._store.changes.find(entry)
            if known is not None and known.state == "aborted":
                found.setdefault(entry)
        return list(found)

    def _versions_at(self, party: Party, dataset: str, after: int) -> list[VersionMade]:
        path = f"/peer/datasets/{dataset}/versions?after={after}"
        return [one for one in self._peers.ask(party, "GET", path, VersionList).versions if one.version > after]

    def run(self, transaction: str, by: str) -> Repaired:
        """Carry out one change here, exactly as it was voted for; `by` is the operator who orders it.

        Raises a 404 if no other node has committed it, IntegrityError if its proof is none or it cannot be made ready
        as it was (files that are gone: those of a refresh, of kept results, of chunks sent after a backup).
        """
        known = self._store.changes.find(transaction)
        if known is not None and known.state == "committed":
            return Repaired(transaction=transaction, state="committed", was="committed", dataset=known.result.dataset)
        party, whole = self._fetch(transaction)
        was = "unknown" if known is None else known.state
        answers = [read_answer(answer) for answer in whole.answers]
        told = {"transaction": transaction, "by": by, "from": self._peers.name(party), "was": was}
        if known is None or known.state == "aborted":
            if known is not None and known.verdict is not None:
                self._verdicts.record(Verdict.model_validate(known.verdict), whole.verdict)
            self._store.changes.reopen(transaction)
            change = read_change(whole.change)
            try:
                answer = self._store.changes.prepare(transaction, change, dict(whole.evidence))
            except TercetError as error:
                self._store.audit.record("repair failed", {**told, "reason": error.message[:1000]})
                raise IntegrityError(
                    f"change {transaction[:8]} cannot be made ready here again: {error.message}",
                    hint="restore this node from a backup that has it, or have the owner upload again",
                ) from None
            mine = whole.verdict.votes[self._identity.me - 1]
            if answer_digest(answer.model_dump(mode="json")) != mine.answer:
                reason = "what is here now would make another version than this node voted for"
                self._store.changes.abort(transaction, f"repair: {reason}")
                self._store.audit.record("repair failed", {**told, "reason": reason})
                raise IntegrityError(reason, hint="repair the changes before it first: tercet node repair")
            if isinstance(change, UploadChange):
                # the other node committed it on the bit that it opened itself, and the same was opened here; the word
                # of a coordinator alone would not be enough
                self._store.changes.checked(transaction, True)
        self._participant.commit(whole.verdict, answers)
        self._store.audit.record("repair", {**told, "verdict": whole.verdict.model_dump(mode="json")})
        self._context.log.info("change repaired", transaction=transaction, source=self._peers.name(party))
        after = self._store.changes.find(transaction)
        assert after is not None
        return Repaired(transaction=transaction, state="committed", was=was, dataset=after.result.dataset)

    def _fetch(self, transaction: str) -> tuple[Party, WholeChange]:
        """The change from the first other node that has it, its proof checked."""
        federation = self._identity.federation
        trouble: TercetError | None = None
        for party in self._peers.others:
            try:
                whole = self._peers.ask(party, "GET", f"/peer/transactions/{transaction}/whole", WholeChange)
                check_verdict(whole.verdict, federation, transaction)
                if whole.verdict.state != "committed" or whole.transaction != transaction:
                    raise IntegrityError(f"{self._peers.name(party)} shows no commit of this change")
                for entry, vote, one in zip(federation.nodes, whole.verdict.votes, whole.answers, strict=True):
                    check_vote(vote, entry.card, federation.id, transaction, one)
            except TercetError as error:
                trouble = error
                continue
            return party, whole
        assert trouble is not None
        raise trouble


def _paged(after: Callable[[int], list[VersionMade]]) -> Iterator[VersionMade]:
    """All versions, of which `after` gives a page: those after a number."""
    last = 0
    while page := after(last):
        yield from page
        last = page[-1].version
