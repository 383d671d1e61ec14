"""What is kept launders nothing: three nodes, an analyst who keeps first and asks later, and a thief of two disks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from node.jobs_at_nodes import Asked, Recording, long_chain, total
from node.test_decided_again import Changed
from node.trio_nodes import NAMES, SCHEMA, Nodes, assert_ok, everybody, trio
from node.zygote import Zygote
from plan_trio import array_of
from tercet.array.core import SecretArray
from tercet.federation.api_admin import AuditPage
from tercet.federation.api_jobs import KeptInfo, ReceiptList
from tercet.federation.bundle import InputRef, make_bundle, recipient
from tercet.federation.identity import Member
from tercet.federation.model import fresh_id
from tercet.federation.orders import Refresh, Withdraw
from tercet.node.worker.messages import JobOrder, KeptInput, LaneSession
from tercet.node.worker.run import Inputs
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.sharing import PARTIES, Share
from tercet.store.catalogue import Catalogue
from tercet.store.datasets import Datasets
from tercet.store.files import Verified
from tercet.store.jobs import JobRows, UsedRow
from tercet.store.kept import Kept
from tercet.store.kept_files import read_kept

AGES = [18 + (37 * k) % 70 for k in range(40)]

DATASETS = {
    "pool": "combine_datasets = true\nmix_versions = true",
    "marks": "combine_datasets = true",
    "rows": "",
    "counted": "",
    "zero": "budget = { bits = 0 }",
    "joint": "",
    "disks": "",
    "ended": "",
    "many": "",
    "held": "hold = true\nbudget = { bits = 60 }",
}


def policy(people: dict[str, Member]) -> str:
    text = everybody(people)
    text += '[[owners]]\npeople = ["*"]\ndatasets = ["*"]\nmay = ["create", "append", "columns", "withdraw"]\n'
    for name, more in DATASETS.items():
        covered = '["pool", "marks"]' if name in ("pool", "marks") else f'["{name}"]'
        text += f'[[rules]]\nname = "{name}"\nanalysts = ["*"]\ndatasets = {covered}\nmin_rows = 5\n'
        text += f'recipients = ["*"]\n{more}\n'
    text += '[[rules]]\nname = "shows"\nanalysts = ["*"]\ndatasets = ["rows"]\nper_row = ["rows/x"]\noperations = []\n'
    return text + "keep = false\n"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[Nodes]:
    with trio(tmp_path_factory.mktemp("attacks"), policy, zygote=zygote) as made:
        yield made


@pytest.fixture
def changed(nodes: Nodes) -> Iterator[Changed]:
    found = Changed(nodes)
    yield found
    found.undo()


def same(x: SecretArray) -> SecretArray:
    return x


def plus(x: SecretArray) -> SecretArray:
    return x + 1


def refused(asked: Asked, *words: str) -> None:
    for answer in asked.send().values():
        assert answer.status_code == 403, answer.text
        assert all(word in answer.text for word in words), answer.text


def done(asked: Asked) -> Asked:
    found = asked.sent().ends()
    assert {info.state for info in found.values()} == {"done"}, {name: info.error for name, info in found.items()}
    return asked


def kept(nodes: Nodes, name: str, person: str = "analyst") -> dict[str, httpx.Response]:
    return {node: nodes.request(node, person, "GET", f"/v1/kept/{name}") for node in NAMES}


def asked_of(
    nodes: Nodes, dataset: str, question: Callable[..., SecretArray], *names: str, person: str, keep: bool = False
) -> Asked:
    """A question on column x of a dataset and on kept arrays, in this order."""
    found = Asked(nodes, dataset, person=person)
    refs = [*found.header.inputs, *(InputRef.of_kept(nodes.federation.id, name) for name in names)]
    rows = nodes.version("a", dataset)
    assert rows is not None
    types = [SCHEMA.type("x", rows[2]), *(found.type_of(name) for name in names)]
    runner: Any = Recording()
    given = [array_of(runner, runner.graph.input(ref.handle_bytes, t)) for ref, t in zip(refs, types, strict=True)]
    found.plan = compile_plan([Wanted(question(*given).undivided, OutputKind.REVEAL, b"")], LAN)
    found.job = fresh_id()
    update = {"inputs": tuple(refs), "job": found.job, "created": int(time.time())}
    found.header = found.header.model_copy(update=update)
    found.bundle = make_bundle(found.member, found.header, found.plan.to_bytes())
    return found


def test_own_marks_kept_first_single_nobody_out(nodes: Nodes) -> None:
    """The mark of one row, kept, and kept again: its sum with the others' values is that row's value."""
    nodes.upload("pool", [AGES])
    nodes.upload("marks", [[int(k == 7) for k in range(len(AGES))]], person="both")
    for mark in ("marked", "marked-again"):
        if mark == "marked":
            done(Asked(nodes, "marks", same, person="both", keep=mark))
        else:
            done(Asked(nodes, "marks", plus, person="both", keep=mark, reads="marked"))
        one = asked_of(nodes, "pool", lambda x, m: (x * m).sum(), mark, person="both")
        refused(one, "in a way that may show single rows")
    # without the mark they get what anybody gets
    assert (
        asked_of(nodes, "pool", lambda x, m: x.sum() + m.sum(), "marked", person="both").sent().result()
        == sum(AGES) + 1
    )


def test_a_value_of_each_row_kept_under_one_rule_is_not_shown_under_another(nodes: Nodes) -> None:
    nodes.upload("rows", [AGES])
    # the column as it is may be shown, under `shows`; what was computed of it may not
    assert np.array_equal(Asked(nodes, "rows", same).sent().result(), AGES)
    refused(Asked(nodes, "rows", lambda x: x + x), "row by row for 40 rows of rows")
    done(Asked(nodes, "rows", lambda x: x + x, keep="doubled"))
    done(Asked(nodes, "rows", same, keep="doubled-again", reads="doubled"))
    for name in ("doubled", "doubled-again"):
        refused(Asked(nodes, "rows", same, reads=name), "row by row for 40 rows of rows")
        assert Asked(nodes, "rows", total, reads=name).sent().result() == 2 * sum(AGES)


def test_receipts_and_audit_name_what_is_behind(nodes: Nodes) -> None:
    nodes.upload("joint", [AGES[:20]])
    done(Asked(nodes, "joint", plus, keep="step-1"))
    done(Asked(nodes, "joint", plus, keep="step-2", reads="step-1"))
    last = done(Asked(nodes, "joint", total, reads="step-2"))
    for name in NAMES:
        answer = assert_ok(nodes.request(name, "owner", "GET", "/v1/datasets/joint/receipts"))
        receipts = ReceiptList.model_validate(answer.json()).receipts
        assert [one.through for one in receipts] == [[], ["step-1"], ["step-2"]]
        # of the last two the data came through kept results: whoever kept them says how it was checked
        rests_on = [one.grounds for one in receipts]
        assert [one and (one.checked, one.unchecked) for one in rests_on] == [(1, 0), (0, 0), (0, 0)]
        assert rests_on[1] is not None and "came through kept results" in " ".join(rests_on[1].words())
        assert all((one.columns, one.version, one.versions) == (["x"], 1, [1]) for one in receipts)
        assert [one.bits > 0 for one in receipts] == [False, False, True] and receipts[-1].job == last.job
        page = AuditPage.model_validate(
            assert_ok(nodes.request(name, "operator", "GET", "/v1/admin/audit?limit=1000")).json()
        )
        (entry,) = [
            one["details"] for one in page.entries if one["kind"].startswith("job") and "columns" in one["details"]
            and one["details"]["job"] == last.job
        ]  # fmt: skip
        assert entry["columns"] == ["joint.x"] and "step-2 of job " in entry["through"][0] and entry["bits"] > 0
        told = KeptInfo.model_validate(assert_ok(kept(nodes, "step-2")[name]).json())
        assert told.made_of == ["joint (version 1): x"]


def test_what_rests_on_withdrawn_rows_goes_and_says_so(nodes: Nodes) -> None:
    """After `test_receipts_and_audit_name_what_is_behind`: of one owner's rows first, then of both owners'."""
    nodes.upload("joint", [AGES[20:]], person="owner2", mode="append")
    done(Asked(nodes, "joint", same, keep="of-both"))
    done(Asked(nodes, "joint", total, keep="sum-of-both", reads="of-both"))
    handles = {
        KeptInfo.model_validate(assert_ok(kept(nodes, name)["a"]).json()).arrays[0].handle
        for name in ("of-both", "sum-of-both")
    }
    order = nodes.order("owner2", Withdraw(dataset="joint"))
    assert_ok(nodes.request("a", "owner2", "POST", "/v1/withdrawals", json=order))
    nodes.wait_for(lambda: len(set(nodes.versions("joint"))) == 1)
    for name in ("of-both", "sum-of-both"):
        for answer in kept(nodes, name).values():
            assert answer.status_code == 410 and "data of joint that it was made of were withdrawn" in answer.text
        for answer in kept(nodes, name, "both").values():
            assert answer.status_code == 404
    for answer in kept(nodes, "step-2").values():
        assert_ok(answer)
    asked = Asked(nodes, "joint", total, reads="step-2")
    ref = InputRef.of_kept(nodes.federation.id, "of-both")
    asked.header = asked.header.model_copy(update={"inputs": (ref,)})
    asked.bundle = make_bundle(asked.member, asked.header, asked.plan.to_bytes())
    assert {answer.status_code for answer in asked.send().values()} <= {410, 422}
    alive = {KeptInfo.model_validate(kept(nodes, name)["a"].json()).arrays[0].handle for name in ("step-1", "step-2")}
    for node in NAMES:
        folders = {path.name for path in (nodes.folder / node).rglob("parts/kept-*")}
        assert {f"kept-{handle}.0" for handle in alive} <= folders
        assert not any(gone in name for gone in handles for name in folders)
    done(Asked(nodes, "joint", same, keep="of-both"))
    assert Asked(nodes, "joint", total, reads="of-both").sent().result() == sum(AGES[:20])


def test_a_budget_of_nothing_keeps_nothing(nodes: Nodes) -> None:
    nodes.upload("zero", [AGES])
    refused(Asked(nodes, "zero", same, keep="whole-column"), "nothing of zero could be revealed any more")
    refused(Asked(nodes, "zero"), "bits revealed more on zero")


def bits_of(asked: Asked) -> int:
    from tercet.plan.types import capacity_bits

    return sum(capacity_bits(asked.plan.type_of(output.value)) for output in asked.plan.outputs)


def test_budgets_are_of_people_whatever_the_way(nodes: Nodes, changed: Changed) -> None:
    """Other names of rules, kept chains, other recipients, two jobs at once: all count for who asks and who learns."""
    nodes.upload("counted", [AGES])
    one = bits_of(Asked(nodes, "counted"))

    def budget(bits: int, name: str = "counted") -> None:
        for node in NAMES:
            path = nodes.folder / node / "policy.toml"
            text = path.read_text()
            before = text[text.index('analysts = ["*"]\ndatasets = ["counted"]') :].split("[[rules]]")[0]
            head = text[: text.index(before)].rsplit("name = ", 1)[1].strip()
            fresh = 'analysts = ["*"]\ndatasets = ["counted"]\nmin_rows = 5\nrecipients = ["*"]\n'
            fresh += f"budget = {{ bits = {bits} }}\n"
            changed.at(node, f"name = {head}\n{before}", f'name = "{name}"\n{fresh}')

    budget(3 * one)
    done(Asked(nodes, "counted", plus, keep="chain-1"))
    done(Asked(nodes, "counted", plus, keep="chain-2", reads="chain-1"))
    done(Asked(nodes, "counted"))
    budget(3 * one, "another-name")
    done(Asked(nodes, "counted", total, reads="chain-2"))
    # the third and the fourth at once: one of them is let in
    several = [Asked(nodes, "counted", lambda x, k=k: x.sum() + k) for k in range(2)]  # type: ignore[misc]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda asked: asked.send("a"), several))
    codes = sorted(answer["a"].status_code for answer in answers)
    assert codes == [202, 403]
    for asked in several:
        nodes.request("a", "analyst", "POST", f"/v1/jobs/{asked.job}/cancel")
    # it never ran, so that it counts no more; what has run does, also when it was cancelled or failed later
    for turn in range(2):
        if turn == 0:
            done(Asked(nodes, "counted", total, reads="chain-1"))
        else:
            refused(Asked(nodes, "counted", total, reads="chain-1"), "the budget of another-name is")
    # another analyst has a budget of their own, and may not be asked to pass answers on for who has none left
    done(Asked(nodes, "counted", person="both"))
    to_analyst = Asked(nodes, "counted", person="both")
    recipients = (recipient(nodes.people["both"].card), recipient(nodes.people["analyst"].card))
    to_analyst.header = to_analyst.header.model_copy(update={"recipients": recipients})
    to_analyst.bundle = make_bundle(to_analyst.member, to_analyst.header, to_analyst.plan.to_bytes())
    refused(to_analyst, "more on counted for analyst")


def test_held_jobs_count_while_they_wait(nodes: Nodes) -> None:
    nodes.upload("held", [AGES])
    one = bits_of(Asked(nodes, "held"))
    assert one <= 60 < 2 * one
    waiting = Asked(nodes, "held").sent()
    refused(Asked(nodes, "held", lambda x: x.sum() + 1), "bits revealed more on held")
    assert_ok(nodes.request("a", "operator", "POST", f"/v1/admin/jobs/{waiting.job}/deny", json={"reason": "no"}))
    waiting.ends()
    again = Asked(nodes, "held", lambda x: x.sum() + 1).sent()
    for name in NAMES:
        assert_ok(nodes.request(name, "operator", "POST", f"/v1/admin/jobs/{again.job}/approve", json={"reason": ""}))
    assert again.result() == sum(AGES) + 1


def used_at(nodes: Nodes, name: str, dataset: str) -> UsedRow:
    folder = next(path.parent for path in (nodes.folder / name).rglob("catalogue.sqlite"))
    catalogue = Catalogue(f"sqlite:///{folder / 'catalogue.sqlite'}")
    try:
        return JobRows(catalogue).used(0.0, person=nodes.people["analyst"].card.fingerprint, dataset=dataset)
    finally:
        catalogue.close()


def test_a_job_that_ran_stays_charged_however_it_ends(nodes: Nodes) -> None:
    """Its answer may have been seen; one that never ran here has run nowhere."""
    nodes.upload("ended", [AGES])
    waiting = Asked(nodes, "ended")
    assert_ok(waiting.send("a")["a"])
    assert used_at(nodes, "a", "ended") == UsedRow(1, bits_of(waiting), 0)
    assert_ok(nodes.request("a", "analyst", "POST", f"/v1/jobs/{waiting.job}/cancel"))
    assert waiting.end("a").state == "cancelled" and used_at(nodes, "a", "ended") == UsedRow(0, 0, 0)
    running = Asked(nodes, "ended", long_chain).sent()
    running.runs()
    assert_ok(nodes.request("b", "analyst", "POST", f"/v1/jobs/{running.job}/cancel"))
    assert {info.state for info in running.ends().values()} == {"cancelled"}
    for name in NAMES:
        assert used_at(nodes, name, "ended") == UsedRow(1, bits_of(running), 0)


class Disk:
    """What a thief finds at one node at one time: the words of its shares."""

    def __init__(self, nodes: Nodes, name: str, dataset: str, *names: str) -> None:
        folder = nodes.folder / name / "store"
        if not folder.exists():
            folder = next(path.parent for path in (nodes.folder / name).rglob("catalogue.sqlite"))
        party = PARTIES[NAMES.index(name)]
        catalogue = Catalogue(f"sqlite:///{folder / 'catalogue.sqlite'}")
        try:
            store, arrays = Datasets(catalogue, folder, party), Kept(catalogue, folder, party)
            kept = [arrays.get(one).describe() for one in names]
            read: list[Any] = [store.get(dataset).read("x", 0, None)]
            read += [read_kept(folder, party, one, verified=None) for one in kept]
        finally:
            catalogue.close()
        self.words: list[Mapping[int, Any]] = []
        for share in read:
            assert isinstance(share, Share)
            self.words.append({int(party): share.own.copy(), int(party.next): share.next.copy()})


def found(*words: Mapping[int, Any]) -> int:
    """How many ages the words of two disks give, taking every component from either."""
    best = 0
    for one in words:
        for other in words:
            if {**one, **other}.keys() == {1, 2, 3}:
                for mixed in ({**one, **other}, {**other, **one}):
                    values = (mixed[1] + mixed[2] + mixed[3]).view(np.int64)
                    best = max(best, int(np.count_nonzero(values == np.array(AGES))))
    return best


def test_two_disks_at_different_times_give_no_age(nodes: Nodes, tmp_path: Path) -> None:
    """Node a before a refresh, node b after it, and what was kept in between and before."""
    nodes.upload("disks", [AGES])
    done(Asked(nodes, "disks", same, keep="before"))
    done(Asked(nodes, "disks", lambda x: x < 30, keep="young"))
    stored, early = Disk(nodes, "a", "disks", "before").words
    assert found(stored, Disk(nodes, "b", "disks").words[0]) == 40  # the same time: nothing can help that
    # what is kept is not the stored column under another name
    assert found(stored, Disk(nodes, "b", "disks", "before").words[1]) == 0
    order = nodes.order("operator", Refresh(dataset="disks"))
    assert_ok(nodes.request("a", "operator", "POST", "/v1/refreshes", json=order))
    nodes.wait_for(lambda: len(set(nodes.versions("disks"))) == 1)
    done(Asked(nodes, "disks", same, keep="after"))
    for name in ("b", "c"):
        late = Disk(nodes, name, "disks", "before", "after").words
        assert found(late[0], early) == found(late[1], early) == found(late[2], early) == 0
        assert found(late[0], stored) == found(late[1], stored) == found(late[2], stored) == 0
    assert Asked(nodes, "disks", total, reads="before").sent().result() == sum(AGES)
    assert Asked(nodes, "disks", lambda x: (x * 1).sum(), reads="young").sent().result() == sum(
        age < 30 for age in AGES
    )
    for path in (nodes.folder / "a").rglob("parts/kept-*"):
        assert path.name.endswith((".0", ".1"))


def test_kept_shares_say_nothing_about_stored_ones(nodes: Nodes) -> None:
    """The same column kept twice: all differences of components are uniform, and those of three add up to nothing."""
    nodes.upload("many", [list(range(8192))])
    for name in ("once", "twice"):
        done(Asked(nodes, "many", same, keep=name))
    a, b = (Disk(nodes, name, "many", "once", "twice").words for name in ("a", "b"))
    every = [{**one, **other} for one, other in zip(a, b, strict=True)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        differences = [every[second][k] - every[first][k] for k in (1, 2, 3)]
        assert not np.any(differences[0] + differences[1] + differences[2])
        for difference in differences:
            for shift in (0, 28, 56):
                counts = np.bincount(((difference >> np.uint64(shift)) & np.uint64(255)).astype(int), minlength=256)
                # chi-square with 255 degrees of freedom: 400 and more has a probability below 1e-7
                assert ((counts - 32.0) ** 2 / 32.0).sum() < 400


def test_workers_compare_which_shares_of_kept_arrays_go_in(tmp_path: Path) -> None:
    """A node that was restored from before a refresh gives no shares of something else, and is named by the others."""

    def label(**changed: Any) -> bytes:
        kept = {"handle": "1" * 32, "name": "k", "label": "00", "generation": 1, "digests": ["2" * 64] * 3, **changed}
        order = JobOrder(
            job="3" * 32,
            lane=LaneSession(session="4" * 64, places={}, connect_s=1, flush_s=1),
            datasets={},
            columns=[],
            kept=[KeptInput(handle="1" * 32, kept=kept)],
            claimed=[],
            keep=[],
            results=str(tmp_path),
        )
        return Inputs(str(tmp_path), PARTIES[0], order, Verified()).label

    assert label() == label(name="another") != label(generation=0)
    assert label() != label(digests=["5" * 64] * 3)
