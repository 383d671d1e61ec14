"""The decision itself: what the coordinator does when its own catalogue fails at that very step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tercet.errors import DatabaseLost, InputError, IntegrityError, StorageError, TercetError, Unreachable
from tercet.federation.api import ChangeOutcome
from tercet.federation.api_peer import Prepare, PrepareAnswer, TransactionState, Verdict
from tercet.federation.identity import Member
from tercet.federation.model import fresh_id
from tercet.federation.statements import sign_verdict, sign_vote
from tercet.node.changes.coordinator import Transactions
from tercet.node.logs import node_log
from tercet.node.parts import Metrics
from tercet.sharing import Party
from tercet.store.change import Prepared

MEMBERS = [Member.create(name) for name in "abc"]
HOME = fresh_id()


class Scene:
    """A coordinator whose store and peers do what the test says, and write down what they were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.state_here = "unknown"
        self.commit_error: TercetError | None = None
        self.state_error: TercetError | None = None
        self.peer_error: dict[tuple[Party, str], TercetError] = {}
        self.commits = True
        self.late = False
        self.forged: tuple[Party, str] | None = None
        cards = [SimpleNamespace(name=member.name, card=member.card) for member in MEMBERS]
        federation = SimpleNamespace(coordinator=cards[0], id=HOME, node=lambda party: cards[party - 1])
        self.identity = SimpleNamespace(
            federation=federation, member=MEMBERS[0], name="a", me=Party.P1, coordinates=True
        )
        context: Any = SimpleNamespace(
            settings=SimpleNamespace(timeouts=SimpleNamespace(worker=1.0)),
            identity=self.identity,
            store=SimpleNamespace(changes=self),
            at=lambda step: None,
            log=node_log(),
            metrics=Metrics(),
        )
        peers: Any = SimpleNamespace(others=[Party.P2, Party.P3], ask=self.ask, name=lambda party: f"node {int(party)}")
        rounds: Any = SimpleNamespace(before_decision=lambda prepare: self.asked.append("check"))
        here: Any = self
        self.transactions = Transactions(context, peers, here, here, rounds, refresh=pytest.fail)

    # -- the store here

    def answer(self, party: int) -> PrepareAnswer:
        answer = Prepared(transaction=self.transaction, proposal="0" * 64, digests=[]).model_dump(mode="json")
        return PrepareAnswer(answer=answer, vote=sign_vote(MEMBERS[party - 1], HOME, self.transaction, answer))

    def prepare(self, prepare: Prepare) -> PrepareAnswer:
        self.asked.append("prepare 1")
        self.state_here = "prepared"
        return self.answer(1)

    def aborted(self, transaction: str) -> Verdict:
        return sign_verdict(MEMBERS[0], HOME, transaction, "aborted")

    def check(self, answers: list[Prepared]) -> None:
        assert len(answers) == 3

    def commit(self, verdict: Verdict, answers: list[Prepared], waiting: Any = ()) -> None:
        self.asked.append("commit 1")
        if self.commits:
            self.state_here = "committed"
        if self.commit_error is not None:
            raise self.commit_error

    def abort(self, transaction: str, reason: str, verdict: Verdict) -> None:
        if self.state_error is not None and "commit 1" in self.asked:
            raise self.state_error
        if self.late:
            self.state_here = "committed"
        if self.state_here == "committed":
            raise InputError("it is committed")
        self.asked.append("abort 1")
        self.state_here = "aborted"

    def state(self, transaction: str) -> TransactionState:
        if self.state_error is not None and "commit 1" in self.asked:
            raise self.state_error
        return TransactionState.model_validate({"transaction": transaction, "state": self.state_here})

    def outcome(self, transaction: str) -> ChangeOutcome:
        return ChangeOutcome.model_validate({"transaction": transaction, "kind": "create", "state": self.state_here})

    def in_doubt(self) -> list[str]:
        return ["0" * 32] if self.state_here == "prepared" else []

    def untold(self) -> list[tuple[str, Party]]:
        return []

    def told(self, transaction: str, party: Party) -> None:
        self.asked.append(f"told {int(party)}")

    # -- the others

    def ask(self, party: Party, method: str, path: str, answer: type, *_: Any, **more: Any) -> PrepareAnswer:
        what = path.rsplit("/", 1)[1]
        what = "prepare" if what == "transactions" else what
        self.asked.append(f"{what} {int(party)}")
        if (error := self.peer_error.get((party, what))) is not None:
            raise error
        return self.answer(3 if (party, what) == self.forged else int(party))

    def run(self) -> ChangeOutcome:
        self.transaction = fresh_id()
        try:
            return self.transactions.run(Prepare(transaction=self.transaction, change={"kind": "create"}))
        finally:
            self.transactions.stop()


def test_all_goes_well() -> None:
    scene = Scene()
    assert scene.run().state == "committed"
    assert scene.asked[0] == "prepare 1"
    assert (
        scene.asked.index("commit 1")
        > scene.asked.index("check")
        > max(scene.asked.index(f"prepare {party}") for party in (2, 3))
    )
    assert {"commit 2", "commit 3", "told 2", "told 3"} <= set(scene.asked)


def test_nobody_is_told_anything_while_the_decision_is_not_known() -> None:
    scene = Scene()
    scene.commit_error = scene.state_error = DatabaseLost("the database is gone")
    with pytest.raises(DatabaseLost):
        scene.run()
    assert not [asked for asked in scene.asked if asked.startswith(("abort", "commit 2", "commit 3", "told"))]


def test_a_decision_that_stands_counts_whatever_failed_after_it() -> None:
    scene = Scene()
    scene.commit_error = StorageError("files that are no longer needed cannot be deleted")
    assert scene.run().state == "committed"
    assert "abort 1" not in scene.asked
    assert {"commit 2", "commit 3"} <= set(scene.asked)


def test_a_decision_that_was_still_on_its_way_counts() -> None:
    """The database was lost in the middle of the commit, and carries it out a moment later."""
    scene = Scene()
    scene.commits, scene.late, scene.commit_error = False, True, DatabaseLost("no answer")
    assert scene.run().state == "committed"
    assert not [asked for asked in scene.asked if asked.startswith("abort")]
    assert {"commit 2", "commit 3"} <= set(scene.asked)


def test_a_decision_that_failed_is_given_up_everywhere() -> None:
    scene = Scene()
    scene.commits, scene.commit_error = False, StorageError("no space")
    with pytest.raises(StorageError):
        scene.run()
    assert {"abort 1"} <= set(scene.asked)
    assert not {"commit 2", "commit 3"} & set(scene.asked)


def test_an_objection_is_told_rather_than_who_was_not_reached() -> None:
    scene = Scene()
    scene.peer_error[Party.P2, "prepare"] = Unreachable("node 2 is away", party=2)
    scene.peer_error[Party.P3, "prepare"] = StorageError("node 3: no space")
    with pytest.raises(StorageError, match="no space"):
        scene.run()
    assert "commit 1" not in scene.asked


def test_a_vote_is_the_voter_s_own() -> None:
    """Node 2 shows a vote of node 3 as its own: nothing is decided on it."""
    scene = Scene()
    scene.forged = (Party.P2, "prepare")
    with pytest.raises(IntegrityError, match="a vote of c, not of b"):
        scene.run()
    assert "commit 1" not in scene.asked


def test_what_is_told_later_is_noted_as_not_told() -> None:
    scene = Scene()
    scene.peer_error[Party.P3, "commit"] = Unreachable("node 3 is away", party=3)
    assert scene.run().state == "committed"
    assert "told 2" in scene.asked
    assert "told 3" not in scene.asked


def test_what_nobody_is_at_any_more_is_given_up() -> None:
    scene = Scene()
    scene.state_here = "prepared"
    scene.transactions.settle(scene.in_doubt())
    scene.transactions.stop()
    assert scene.state_here == "aborted"


def test_only_the_coordinator_decides() -> None:
    scene = Scene()
    scene.identity.coordinates = False
    scene.identity.federation.coordinator.name = "b"
    with pytest.raises(TercetError, match="ordered at b"):
        scene.run()
    assert scene.asked == []
