"""A node that was restored from a backup of before a check knows nothing of it; repaired, it has the stamps again."""

from __future__ import annotations

from faults.ordeals import restored
from node.jobs_at_nodes import Asked
from node.test_unchecked import checked, info, order, unstamp
from node.trio_nodes import NAMES, Nodes, assert_ok
from tercet.federation.api_admin import RepairReport


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
