"""What kept arrays rest on: they go with withdrawn rows and say so, and are refreshed with the datasets behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from store.test_kept import JOB, keep, value, written
from tercet.errors import Busy, Gone, IntegrityError, NotFound
from tercet.store.backup import backup, restore
from tercet.store.catalogue import Catalogue
from tercet.store.change import RefreshChange, WithdrawChange, check_prepared
from tercet.store.kept import Kept
from tercet.store.kept_files import write_label
from tercet.store.origins import read_origins
from three_stores import MORE, OTHER, OWNER, OneStore, ThreeStores, patients

AGES = np.arange(40) % 120


def made_of(*read: tuple[str, int, list[str]]) -> dict[str, Any]:
    """As policies write it (`Disclosure.stored`)."""
    return {"version": 3, "read": [list(one) for one in read], "operations": [], "rows": []}


def kept(stores: ThreeStores, name: str, *read: tuple[str, int, list[str]], **fields: Any) -> str:
    """Keep forty numbers that were made of these columns; gives the handle."""
    handle, kind = written(stores, AGES)
    array = {"handle": handle, "name": name, "label": write_label(kind), "disclosure": made_of(*read)}
    stores.do(keep([array], **fields))
    return handle


def two_owners(stores: ThreeStores) -> None:
    """Forty rows of one owner, then forty of another: versions 1 and 2."""
    stores.upload("patients", patients(40))
    stores.upload("patients", patients(40, 40), mode="append", owner=OTHER)


def test_what_rests_on_withdrawn_rows_goes_with_them_and_says_so(stores: ThreeStores) -> None:
    two_owners(stores)
    of_one = kept(stores, "first", ("patients", 1, ["age"]))
    of_both = kept(stores, "both", ("patients", 2, ["age"]))
    # made of the one before
    kept(stores, "again", ("patients", 2, ["age"]), ("visits", 9, ["x"]))
    stores.withdraw("patients", OTHER)
    for node in stores.nodes:
        assert [one.arrays[0].handle for one in node.kept.results()] == [of_one]
        for name in ("both", of_both, "again"):
            with pytest.raises(Gone, match=r"is gone: data of patients that it was made of were withdrawn") as told:
                node.kept.get(name)
            assert "run its job again" in told.value.hint
            with pytest.raises(NotFound, match="nothing is kept under the name"):
                node.kept.get(name, asks=OTHER)
            assert not node.kept.holds(name)
        assert {place for place in node.places() if place.startswith("kept")} == {f"kept-{of_one}.0"}
    # the name is free again
    kept(stores, "both", ("patients", 3, ["age"]))
    np.testing.assert_array_equal(value(stores, "both").astype(int), AGES)


def test_a_withdrawal_before_a_refresh_is_followed_through_it(quick_stores: ThreeStores) -> None:
    """Shares are of another generation; the rows are the same."""
    stores = quick_stores
    two_owners(stores)
    kept(stores, "both", ("patients", 2, ["bmi"]))
    stores.do(stores.refreshed("patients"))
    stores.withdraw("patients")
    for node in stores.nodes:
        with pytest.raises(Gone, match="withdrawn"):
            node.kept.get("both")


def test_a_withdrawn_column_takes_only_what_was_made_of_it(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    stores.upload("patients", patients(40))
    more = {"id": patients(40)["id"], "pulse": np.arange(40), "treated": np.arange(40) % 2 == 0}
    stores.upload("patients", more, schema=MORE, mode="columns", owner=OTHER)
    kept(stores, "ages", ("patients", 2, ["age"]))
    kept(stores, "pulses", ("patients", 2, ["age", "pulse"]))
    stores.withdraw("patients", OTHER)
    assert [one.name for one in stores.nodes[0].kept.results()] == ["ages"]
    stores.withdraw("patients", OWNER)
    assert stores.nodes[0].kept.results() == []


def test_a_model_goes_as_a_whole(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    two_owners(stores)
    arrays = []
    for name, read in (("risk/coef", ("patients", 2, ["age"])), ("risk/scale", ("other", 1, ["x"]))):
        handle, kind = written(stores, [1.5, 2.5])
        arrays.append({"handle": handle, "name": name, "label": write_label(kind), "disclosure": made_of(read)})
    stores.nodes[0].kept.holds("risk")
    # nothing of `other` is here, so it cannot be lost
    stores.do(keep(arrays, name="risk", model={"class": "LinearRegression"}))
    stores.withdraw("patients", OTHER)
    for node in stores.nodes:
        assert node.kept.results() == [] and not node.kept.holds("risk")
        for ask, name in ((node.kept.result, "risk"), (node.kept.get, "risk/scale"), (node.kept.get, "risk")):
            with pytest.raises(Gone, match="the model risk is gone: data of patients"):
                ask(name)
        assert not any(place.startswith("kept") for place in node.places())


@pytest.mark.parametrize("first", ["keep", "withdraw"])
def test_a_keep_and_a_withdrawal_at_the_same_time_end_alike(quick_stores: ThreeStores, first: str) -> None:
    """Both are prepared before either is decided, and nodes hear of the decisions in another order."""
    stores = quick_stores
    two_owners(stores)
    handle, kind = written(stores, AGES)
    array = {"handle": handle, "name": "k", "label": write_label(kind), "disclosure": made_of(("patients", 2, ["age"]))}
    prepared = {
        "keep": stores.prepare(keep([array], datasets={"patients": 2})),
        "withdraw": stores.prepare(WithdrawChange(dataset="patients", owner=OTHER)),
    }
    orders = [["keep", "withdraw"], ["withdraw", "keep"], ["keep", "withdraw"]]
    for node, order in zip(stores.nodes, orders if first == "keep" else [one[::-1] for one in orders], strict=True):
        for which in order:
            transaction, answers = prepared[which]
            check_prepared(answers)
            node.changes.commit(transaction, answers)
    for node in stores.nodes:
        with pytest.raises(Gone, match="withdrawn"):
            node.kept.get("k")
        assert f"kept-{handle}.0" not in node.places()


def test_nothing_is_kept_of_rows_that_have_gone_or_shares_from_before_a_refresh(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    two_owners(stores)
    source = kept(stores, "source", ("patients", 1, ["age"]))
    handle, kind = written(stores, AGES)
    array = {"handle": handle, "label": write_label(kind), "disclosure": made_of(("patients", 2, ["age"]))}
    late = keep([array], datasets={"patients": 2})
    later = keep([{**array, "disclosure": made_of(("patients", 1, ["age"]))}], inputs={source: 0})
    stores.do(change := refreshed(stores))
    assert change.kept == {source: 0}
    with pytest.raises(Gone, match="the shares of patients were refreshed while the job ran"):
        stores.prepare(late)
    assert f"kept-{handle}.0" in stores.nodes[0].places()
    with pytest.raises(Gone, match="was refreshed while the job ran"):
        stores.prepare(later)
    stores.withdraw("patients", OTHER)
    with pytest.raises(Gone, match="data of patients that the job read were withdrawn"):
        stores.prepare(keep([array], datasets={"patients": 3}))


def refreshed(stores: ThreeStores) -> RefreshChange:
    return stores.refreshed("patients")


def test_a_refresh_takes_what_was_kept_of_the_dataset_with_it(stores: ThreeStores) -> None:
    two_owners(stores)
    handle = kept(stores, "ages", ("patients", 1, ["age"]))
    other = kept(stores, "others", ("visits", 1, ["age"]))
    digests = stores.nodes[0].kept.get("ages").digests
    before = [node.shares("ages") for node in stores.nodes]
    stores.do(refreshed(stores))
    after = [node.shares("ages") for node in stores.nodes]
    for node in stores.nodes:
        info = node.kept.get("ages")
        assert info.generation == 1 and info.digests != digests
        assert {p for p in node.places() if p.startswith("kept")} == {f"kept-{handle}.1", f"kept-{other}.0"}
        assert node.kept.get("others").generation == 0
    np.testing.assert_array_equal(value(stores, "ages").astype(int), AGES)
    # the disk of node 1 from before, and that of node 2 from after it
    total = before[0].own + before[0].next + after[1].next  # type: ignore[union-attr, operator]
    assert np.count_nonzero(total.astype(np.int64) == AGES) == 0
    for node in stores.nodes:
        node.restart()
    np.testing.assert_array_equal(value(stores, "ages").astype(int), AGES)
    stores.do(refreshed(stores))
    assert stores.nodes[2].kept.get("ages").generation == 2


def test_a_refresh_leaves_nothing_out(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    two_owners(stores)
    change = refreshed(stores)
    kept(stores, "since", ("patients", 1, ["age"]))
    with pytest.raises(Busy, match="since was kept since the refresh began"):
        stores.prepare(change)
    handle, kind = written(stores, AGES)
    array = {"handle": handle, "label": write_label(kind), "disclosure": made_of(("patients", 1, ["age"]))}
    transaction, _ = stores.prepare(keep([array]))
    with pytest.raises(Busy, match="a job is just keeping results made of patients"):
        stores.prepare(refreshed(stores))
    for node in stores.nodes:
        node.changes.abort(transaction)
    # what was kept since is in it now
    change = refreshed(stores)
    with pytest.raises(Gone, match="has gone or was refreshed"):
        stores.prepare(change.model_copy(update={"kept": {**change.kept, "f" * 32: 0}}))
    stores.do(refreshed(stores))
    assert stores.nodes[1].kept.get("since").generation == 1


def test_a_keep_waits_for_a_refresh_whose_decision_is_awaited(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    two_owners(stores)
    transaction, answers = stores.prepare(refreshed(stores))
    handle, kind = written(stores, AGES)
    array = {"handle": handle, "label": write_label(kind), "disclosure": made_of(("patients", 1, ["age"]))}
    with pytest.raises(Busy, match="the shares of patients are being refreshed"):
        stores.prepare(keep([array]))
    for node in stores.nodes:
        node.changes.commit(transaction, answers)


@pytest.mark.parametrize("first", ["withdraw", "refresh"])
def test_a_refresh_and_a_withdrawal_of_two_datasets_leave_no_files(quick_stores: ThreeStores, first: str) -> None:
    """What was made of both goes with one, in whichever order the decisions come."""
    stores = quick_stores
    two_owners(stores)
    stores.upload("others", patients(40), owner=OTHER)
    handle = kept(stores, "both", ("patients", 1, ["age"]), ("others", 1, ["age"]))
    prepared = {
        "refresh": stores.prepare(refreshed(stores)),
        "withdraw": stores.prepare(WithdrawChange(dataset="others", owner=OTHER)),
    }
    for which in (first, *(prepared.keys() - {first})):
        transaction, answers = prepared[which]
        for node in stores.nodes:
            node.changes.commit(transaction, answers)
    for node in stores.nodes:
        with pytest.raises(Gone, match="data of others"):
            node.kept.get("both")
        assert not any(handle in place for place in node.places())


def test_what_is_about_to_expire_goes_with_a_refresh(quick_stores: ThreeStores) -> None:
    """Its shares would lie on the disk beside fresh ones."""
    import time

    stores = quick_stores
    two_owners(stores)
    change = refreshed(stores)
    kept(stores, "short", ("patients", 1, ["age"]), expires=time.time() + 60)
    stores.do(change)
    for node in stores.nodes:
        with pytest.raises(Gone, match="it has expired"):
            node.kept.get("short")
        assert not any(place.startswith("kept") for place in node.places())


def test_expiry_is_told_later(quick_stores: ThreeStores) -> None:
    node = quick_stores.nodes[0]
    handle = kept(quick_stores, "short", ("patients", 1, ["age"]), expires=1000.0)
    late = Kept(node.catalogue, node.folder, node.party, clock=lambda: 1000.0)
    assert late.expire() == [handle] and late.expire() == []
    with pytest.raises(Gone, match="the kept array short is gone: it has expired"):
        late.get("short")
    old = Kept(node.catalogue, node.folder, node.party, clock=lambda: 1000.0 + 401 * 86_400)
    assert old.expire() == []
    with pytest.raises(NotFound, match="nothing is kept"):
        old.get("short")


def test_a_crash_between_a_withdrawal_and_its_files(quick_stores: ThreeStores, monkeypatch: pytest.MonkeyPatch) -> None:
    import tercet.store.changes as changes

    stores = quick_stores
    two_owners(stores)
    handle = kept(stores, "both", ("patients", 2, ["age"]))
    with monkeypatch.context() as patched:
        patched.setattr(changes, "sweep_ended", lambda *_: None)
        stores.withdraw("patients", OTHER)
    for node in stores.nodes:
        assert f"kept-{handle}.0" in node.places()
        node.restart()
        assert f"kept-{handle}.0" not in node.places()


def test_a_backup_has_kept_arrays_with_all_that_is_known_of_them(quick_stores: ThreeStores, tmp_path: Path) -> None:
    stores = quick_stores
    two_owners(stores)
    kept(stores, "ages", ("patients", 1, ["age"]))
    kept(stores, "gone", ("patients", 2, ["age"]))
    stores.withdraw("patients", OTHER)
    stores.do(refreshed(stores))
    node = stores.nodes[0]
    backup(node.catalogue, node.folder, tmp_path / "copy")
    catalogue = Catalogue(f"sqlite:///{tmp_path}/again.sqlite")
    restore(tmp_path / "copy", catalogue, tmp_path / "again")
    catalogue.close()
    again = OneStore(node.party, f"sqlite:///{tmp_path}/again.sqlite", tmp_path / "again")
    assert again.versions() == node.versions()
    info = again.kept.get("ages")
    assert info.generation == 1 and read_origins(info.disclosure)[0].columns == {"age"}
    np.testing.assert_array_equal(again.shares("ages").own, node.shares("ages").own)
    with pytest.raises(Gone, match="withdrawn"):
        again.kept.get("gone")
    again.close()


def test_who_owns_what_is_behind(quick_stores: ThreeStores) -> None:
    """By all rows and columns that went in, in the version that was read, whatever has become of it."""
    stores = quick_stores
    two_owners(stores)
    more = {"id": patients(80)["id"], "pulse": np.arange(80), "treated": np.arange(80) % 2 == 0}
    stores.upload("patients", more, schema=MORE, mode="columns")
    for name, read, own in (
        ("one", ("patients", 1, ["age"]), True),
        ("two", ("patients", 2, ["age"]), False),
        ("joined", ("patients", 3, ["pulse"]), True),
        ("with", ("patients", 3, ["pulse", "age"]), False),
    ):
        kept(stores, name, read)
        for node in stores.nodes:
            assert node.kept.own(node.kept.get(name)) == (frozenset(["patients"]) if own else frozenset())


def test_terms_are_those_of_the_job_that_kept_it(quick_stores: ThreeStores) -> None:
    node = quick_stores.nodes[0]
    handle, kind = written(quick_stores, AGES)
    terms = {"rules": ["research"], "min_rows": 20, "shown": []}
    with node.catalogue.write() as connection:
        node.jobs.add(
            connection,
            job=JOB,
            hash="0" * 64,
            analyst=OWNER,
            bundle=b"",
            state="running",
            decision={},
            info={"terms": {handle: terms}},
        )
    quick_stores.do(keep([{"handle": handle, "name": "k", "label": write_label(kind)}]))
    assert node.kept.get("k").terms == terms and quick_stores.nodes[1].kept.get("k").terms is None


def test_notes_that_cannot_be_read_are_no_excuse() -> None:
    assert read_origins(None) == []
    for broken in ({"read": [["a"]]}, {"read": 5}, {"read": [["a", "b", ["c"]]]}):
        with pytest.raises(IntegrityError):
            read_origins(broken)
