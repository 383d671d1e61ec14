"""A node restored from a backup: no order is replayed there; what it has forgotten of checks comes back."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from faults.ordeals import restored
from node.jobs_at_nodes import Asked
from node.test_unchecked import checked, info, order, unstamp
from node.trio_nodes import NAMES, Nodes, assert_ok
from tercet.errors import IntegrityError
from tercet.federation.api_admin import RepairReport
from tercet.federation.api_peer import Prepare
from tercet.federation.orders import Action, Refresh, Withdraw
from tercet.node.daemon import Node
from tercet.node.settings import NodeSettings
from tercet.store.backup import restore
from tercet.store.catalogue import Catalogue
from tercet.store.change import WithdrawChange, write_change


def order_backup(nodes: Nodes, path: str | Path) -> tuple[int, str]:
    answer = nodes.request("c", "operator", "POST", "/v1/admin/backup", json={"path": str(path)})
    return answer.status_code, answer.text


def test_old_orders_are_not_replayed_at_a_restored_node(stopped: Nodes) -> None:
    nodes = stopped
    nodes.start()
    nodes.upload("d", [[1, 2, 3]])
    nodes.upload("d", [[4, 5]], "owner2", "append")

    home = nodes.folder / "c"
    backups = home / "backups"
    for path in (home / "elsewhere", "../elsewhere", ".", "", "a/../../b", backups, "x" * 3000, "x/" * 2000):
        status, text = order_backup(nodes, path)
        assert status == 422, (path, text)
    backups.mkdir()
    (backups / "out").symlink_to(nodes.folder)
    assert order_backup(nodes, "out/b2")[0] == 422 and not (nodes.folder / "b2").exists()
    assert order_backup(nodes, "first")[0] == 200 and (backups / "first" / "manifest.json").is_file()
    assert order_backup(nodes, "first")[0] == 409
    assert order_backup(nodes, backups / "below" / "third")[0] == 200

    old = nodes.order("owner2", Withdraw(dataset="d"))
    assert_ok(nodes.request("a", "owner2", "POST", "/v1/withdrawals", json=old))
    old_refresh = nodes.order("operator", Refresh(dataset="d"))
    nodes.terminate("a", "b", "c")

    settings = NodeSettings.load(home / "node.toml")
    shutil.rmtree(settings.folder_path)
    settings.folder_path.mkdir(mode=0o700)
    catalogue = Catalogue(settings.database_url)
    restore(backups / "first", catalogue, settings.folder_path)
    catalogue.close()
    later = [0.0]
    node = Node(settings, now=lambda: time.time() + later[0])
    try:
        person = nodes.people["owner2"].card.fingerprint
        change = write_change(WithdrawChange(dataset="d", owner=person))

        def prepare(action: Action | None) -> Prepare:
            order = old if action is None else nodes.order("owner2", action)
            return Prepare(transaction=json.loads(order.order)["transaction"], order=order, change=change)

        # the coordinator has kept it, and the other two carried it out: here it looks new
        before = node.context.store.version("d")
        assert before is not None and before.rows == 5
        with pytest.raises(IntegrityError, match="before c was restored"):
            node.rooms.participant.prepare(prepare(None))
        with pytest.raises(IntegrityError, match="before c was restored"):
            node.context.read_order(old_refresh)
        assert node.rooms.participant.in_doubt() == [] and node.context.store.version("d") == before
        # one that is signed now is another matter: orders are dated in whole seconds, and that of the restore is over
        node.rooms.participant.prepare(prepare(Withdraw(dataset="d")))
        assert len(node.rooms.participant.in_doubt()) == 1
        # and whatever the catalogue forgot, an order is good for a day
        later[0] = 86_400.0 + 60
        with pytest.raises(IntegrityError, match="was signed at"):
            node.rooms.participant.prepare(prepare(None))
    finally:
        node.stop()


def backed_up(nodes: Nodes, name: str, place: str) -> None:
    path = nodes.folder / name / "backups" / place
    assert_ok(nodes.request(name, "operator", "POST", "/v1/admin/backup", json={"path": str(path)}))


def back(nodes: Nodes, name: str, place: str) -> None:
    """As an operator puts a backup in the place of a node that is lost."""
    nodes.kill(name)
    restored(nodes.folder / name, nodes.folder / name / "backups" / place)
    nodes.start(name)
    for other in NAMES:
        if other != name:
            path = f"/v1/admin/nodes/{name}/accept-head"
            assert_ok(nodes.request(other, "operator", "POST", path, json={"reason": "restored from a backup"}))


def test_a_check_that_one_node_has_forgotten_is_repaired(stopped: Nodes) -> None:
    nodes = stopped
    nodes.start()
    for dataset in ("first", "second"):
        nodes.upload(dataset, [[1, 2, 3, 0, 0, 0]])
    nodes.terminate(*NAMES)
    for dataset in ("first", "second"):
        unstamp(nodes, dataset)
    nodes.start()
    backed_up(nodes, "c", "before")
    for dataset in ("first", "second"):
        assert order(nodes, dataset).failed == []
        assert checked(nodes, dataset)
    backed_up(nodes, "c", "after")
    back(nodes, "c", "before")
    told = {name: [segment.checked for segment in info(nodes, "first", name).segments] for name in NAMES}
    assert told == {"a": [True], "b": [True], "c": [False]}
    # jobs name the version with the stamps, which c has not
    answer = Asked(nodes, "first").send()["c"]
    assert answer.status_code == 404 and "has no version 2" in answer.json()["message"]
    # nothing but the catalogue of c lacks something: the check that it voted for is committed again
    report = RepairReport.model_validate(
        assert_ok(nodes.request("c", "operator", "POST", "/v1/admin/repair", json={})).json()
    )
    assert sorted(one.dataset for one in report.repaired) == ["first", "second"] and not report.failed
    for dataset in ("first", "second"):
        assert checked(nodes, dataset) and len(set(nodes.versions(dataset))) == 1
        assert Asked(nodes, dataset).sent().result() == 6
        assert order(nodes, dataset).passed == []


def test_stamps_come_back_with_a_backup(stopped: Nodes) -> None:
    nodes = stopped
    nodes.start()
    nodes.upload("first", [[1, 2, 3, 0, 0, 0]])
    backed_up(nodes, "b", "good")
    back(nodes, "b", "good")
    assert checked(nodes, "first")
    assert Asked(nodes, "first").sent().result() == 6
    nodes.upload("first", [[4]], mode="append")
    assert checked(nodes, "first") and Asked(nodes, "first").sent().result() == 10
