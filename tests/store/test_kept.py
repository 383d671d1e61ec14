"""Kept arrays and models: written by workers, visible by a change, read, dropped, expired."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import pytest

from tercet.client.encode import encode_array
from tercet.errors import Busy, Gone, InputError, IntegrityError, NotFound
from tercet.plan.types import Type
from tercet.ring import ring, unpack_bits
from tercet.sharing import PARTIES, BitShare, Share, expand_seed, split, split_bits
from tercet.store import kept_files as kept_module
from tercet.store.change import Change, DropChange, KeepChange
from tercet.store.files import Verified
from tercet.store.kept import Kept
from tercet.store.kept_files import read_kept, read_label, write_kept, write_label
from three_stores import OTHER, OWNER, OneStore, ThreeStores, cut, opened, patients

JOB = "0" * 32


def shares(values: Any) -> tuple[Type, list[Share | BitShare]]:
    """The three parties' shares of an array."""
    wide = np.asarray(values).dtype.kind == "O"
    made = encode_array(values, (0, 2**70) if wide else None)
    upload = split_bits(made.words) if made.type.is_bool else split(made.words, ring(made.type.ring))
    size = made.words.nbytes
    parts = [
        np.frombuffer(part if component is upload.explicit else expand_seed(part, size), made.words.dtype)
        for component, part in zip(PARTIES, upload.components, strict=True)
    ]
    found: list[Share | BitShare] = []
    for number in range(3):
        own, following = parts[number], parts[(number + 1) % 3]
        if made.type.is_bool:
            found.append(BitShare(made.type.size, own, following))
        else:
            found.append(Share(ring(made.type.ring), own.reshape(made.type.shape), following.reshape(made.type.shape)))
    return made.type, found


def written(stores: ThreeStores, values: Any, handle: str | None = None) -> tuple[str, Type]:
    """As the workers of a job leave a result."""
    handle = handle or secrets.token_hex(16)
    kind, parts = shares(values)
    salts = [secrets.token_bytes(16) for _ in range(3)]
    for node, value in zip(stores.nodes, parts, strict=True):
        write_kept(node.folder, node.party, handle, kind, value, (salts[node.party - 1], salts[node.party.next - 1]))
    return handle, kind


def keep(arrays: list[dict[str, Any]], **fields: Any) -> KeepChange:
    return KeepChange.model_validate({"job": JOB, "owner": OWNER, "arrays": arrays, **fields})


def value(stores: ThreeStores, name: str) -> Any:
    return opened([node.shares(name) for node in stores.nodes])


def test_keep_read_drop(stores: ThreeStores) -> None:
    weights = np.arange(12, dtype=np.int64).reshape(3, 4)
    handle, kind = written(stores, weights)
    array = {"handle": handle, "name": "weights", "label": write_label(kind), "disclosure": [{"dataset": "patients"}]}
    for node in stores.nodes:
        with pytest.raises(NotFound):
            node.kept.get("weights")
    stores.do(keep([array]))
    np.testing.assert_array_equal(value(stores, "weights").astype(np.int64), weights)
    np.testing.assert_array_equal(value(stores, handle).astype(np.int64), weights)
    found = [node.kept.get("weights") for node in stores.nodes]
    assert found[0].digests == found[1].digests == found[2].digests and found[0].type == kind
    assert found[0].disclosure == [{"dataset": "patients"}] and found[0].owner == OWNER and found[0].expires is None
    other, _ = written(stores, [1, 2])
    taken = keep([{"handle": other, "name": "weights", "label": write_label(kind)}])
    with pytest.raises(InputError, match="something is kept under the name weights"):
        stores.prepare(taken)
    for change, match in (
        (DropChange(owner=OTHER, arrays=[handle]), "keeps no array"),
        (DropChange(owner=OWNER, arrays=[other]), "keeps no array"),
    ):
        with pytest.raises(NotFound, match=match):
            stores.prepare(change)
    stores.do(DropChange(owner=OWNER, arrays=[handle]))
    for node in stores.nodes:
        assert node.places() == {f"kept-{other}.0"}
        with pytest.raises(NotFound):
            node.kept.get(handle)
        node.kept.discard(other)
        assert node.places() == set()
        assert [entry.kind for entry in node.audit.entries()] == ["keep", "drop"]


def test_a_model(stores: ThreeStores) -> None:
    arrays = []
    for name, values in (("risk/coef", [0.5, 1.5]), ("risk/flag", [True, False, True])):
        handle, kind = written(stores, values)
        arrays.append({"handle": handle, "name": name, "label": write_label(kind)})
    stores.do(keep(arrays, name="risk", model={"type": "LinearRegression", "columns": ["age"]}))
    model = stores.nodes[1].kept.result("risk")
    assert [array.name for array in model.arrays] == ["risk/coef", "risk/flag"] or len(model.arrays) == 2
    assert model.model["columns"] == ["age"] and stores.nodes[0].kept.results()[0].name == "risk"
    assert cut(value(stores, "risk/flag"), 3).tolist() == [5]
    handles = [array["handle"] for array in arrays]
    for change in (
        DropChange(owner=OWNER, arrays=handles[:1]),
        DropChange(owner=OWNER, name="risk", arrays=handles[:1]),
    ):
        with pytest.raises(InputError, match="model"):
            stores.prepare(change)
    with pytest.raises(NotFound, match="keeps no model other"):
        stores.prepare(DropChange(owner=OWNER, name="other"))
    stores.do(DropChange(owner=OWNER, name="risk", arrays=handles))
    for node in stores.nodes:
        assert node.kept.results() == [] and node.places() == set()
        with pytest.raises(NotFound):
            node.kept.result("risk")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"name": "m"}, "a model has a name and a description"),
        ({"model": {}}, "a model has a name and a description"),
        ({"arrays": [{"handle": "1" * 32, "name": "other/a", "label": "00"}]}, "another model"),
        ({"arrays": [{"handle": "1" * 32, "label": "00"}, {"handle": "1" * 32, "label": "00"}]}, "under one name"),
    ],
)
def test_what_is_not_kept(quick_stores: ThreeStores, change: dict[str, Any], match: str) -> None:
    facts = {"arrays": [{"handle": "1" * 32, "name": "a", "label": "00"}], **change}
    with pytest.raises(InputError, match=match):
        quick_stores.nodes[0].changes.prepare(secrets.token_hex(16), keep(**facts))


def test_files_have_to_be_there_alike_and_whole(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    node = stores.nodes[0]
    handle, kind = written(stores, [1, 2, 3])
    change = keep([{"handle": handle, "label": write_label(kind)}])
    path = next(node.folder.glob(f"parts/kept-{handle}.0/*"))
    body = path.read_bytes()
    path.write_bytes(body[:-1])
    with pytest.raises(IntegrityError, match="is damaged"):
        node.changes.prepare(secrets.token_hex(16), change)
    path.unlink()
    with pytest.raises(Gone):
        node.changes.prepare(secrets.token_hex(16), change)
    wider = keep([{"handle": handle, "label": write_label(kind.with_shape((4,)))}])
    with pytest.raises(IntegrityError, match="another party, chunk or schema"):
        stores.nodes[1].changes.prepare(secrets.token_hex(16), wider)


def test_names_are_locked_while_they_are_being_kept(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    first, kind = written(stores, [1])
    second, _ = written(stores, [2])
    label = write_label(kind)
    stores.prepare(keep([{"handle": first, "name": "a", "label": label}]))
    for change in (keep([{"handle": second, "name": "a", "label": label}]), keep([{"handle": first, "label": label}])):
        with pytest.raises(Busy):
            stores.prepare(change)
    node = stores.nodes[0]
    node.kept.discard(first)
    assert f"kept-{first}.0" in node.places(), "what is about to be kept is not deleted"
    stores.do(keep([{"handle": second, "name": "b", "label": label}]))


def test_a_handle_that_is_taken_is_not_written_over(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    handle, kind = written(stores, [1, 2, 3])
    stores.do(keep([{"handle": handle, "label": write_label(kind)}]))
    with pytest.raises(InputError, match="there are files of"):
        written(stores, [7, 8, 9], handle)
    stores.nodes[0].kept.discard(handle)
    assert value(stores, handle).tolist() == [1, 2, 3]


def test_an_upload_may_have_the_name_of_a_kept_array(quick_stores: ThreeStores) -> None:
    """Owners choose names of uploads: theirs, and what is kept, stay apart through refreshes and ends."""
    stores = quick_stores
    handle, kind = written(stores, [1, 2, 3])
    stores.do(keep([{"handle": handle, "name": "k", "label": write_label(kind)}]))
    stores.upload("patients", patients(40), upload=handle)
    stores.do(stores.refreshed("patients"))
    assert value(stores, "k").tolist() == [1, 2, 3]
    for node in stores.nodes:
        assert node.places() == {f"kept-{handle}.0", f"rows-{handle}.1"} and node.kept.get("k").generation == 0
    stores.do(DropChange(owner=OWNER, arrays=[handle]))
    assert {place for node in stores.nodes for place in node.places()} == {f"rows-{handle}.1"}
    # the name may be used again, after shares of other generations, too
    again, kind = written(stores, [4, 5], handle)
    stores.do(keep([{"handle": again, "name": "k", "label": write_label(kind)}]))
    stores.withdraw("patients")
    assert value(stores, "k").tolist() == [4, 5]
    for node in stores.nodes:
        node.restart()
        assert node.places() == {f"kept-{handle}.0"}


def test_temporary_results_expire(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    handle, kind = written(stores, [1, 2, 3])
    stores.do(keep([{"handle": handle, "label": write_label(kind)}], expires=1000.0))
    for node in stores.nodes:
        early, late = (Kept(node.catalogue, node.folder, node.party, clock=lambda at=at: at) for at in (999.0, 1000.0))
        assert early.get(handle).expires == 1000.0 and early.expire() == [] and len(early.results()) == 1
        with pytest.raises(Gone, match="has expired"):
            late.get(handle)
        assert late.results() == [] and late.expire() == [handle] and late.expire() == []
        assert node.places() == set()
        with pytest.raises(NotFound):
            early.get(handle)


@pytest.mark.parametrize(
    "values",
    [[], 5, True, np.zeros((0, 3)), np.ones((3, 0), np.bool_), np.arange(700) % 2 == 0, np.full(65, 2**70, object)],
)
def test_shapes(quick_stores: ThreeStores, values: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any shape, in several chunks too."""
    monkeypatch.setattr(kept_module, "_CHUNK_ROWS", 64)
    handle, kind = written(quick_stores, values)
    assert read_label(write_label(kind)) == kind
    stored = [
        read_kept(node.folder, node.party, {"handle": handle, "name": "", "label": write_label(kind)}, verified=None)
        for node in quick_stores.nodes
    ]
    total = opened(stored)
    if kind.is_bool:
        np.testing.assert_array_equal(unpack_bits(total, kind.size), np.asarray(values).reshape(-1))
    else:
        assert total.shape == kind.shape


def test_a_worker_reads_by_description(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    handle, kind = written(stores, [1, 2, 3])
    change: Change = keep([{"handle": handle, "name": "a", "label": write_label(kind)}])
    stores.do(change)
    node: OneStore = stores.nodes[0]
    description = node.kept.get("a").describe()
    read_kept(node.folder, node.party, description, verified=Verified())
    stores.do(DropChange(owner=OWNER, arrays=[handle]))
    with pytest.raises(Gone, match="the kept array a is gone"):
        read_kept(node.folder, node.party, description, verified=Verified())
