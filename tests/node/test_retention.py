"""Disk: old jobs go and stay refused as replays, and nothing is taken that would fill what is kept free."""

from __future__ import annotations

import time

import pytest
from pydantic import ValidationError

from node.jobs_at_nodes import Asked
from node.trio_nodes import NAMES, Nodes, assert_ok
from tercet.errors import DiskFull, Gone, IntegrityError
from tercet.federation.orders import MAX_AGE_S, MAX_AHEAD_S
from tercet.node.daemon import Node
from tercet.node.settings import NodeLimits, NodeSettings

VALUES = list(range(1, 11))
DAY_S = 86_400.0


def test_a_job_is_known_for_longer_than_its_bundle_may_be_sent() -> None:
    with pytest.raises(ValidationError):
        NodeLimits(keep_jobs_days=1)
    # from its start, which the clocks may see so much later than its signer, until nobody takes it any more
    assert NodeLimits(keep_jobs_days=2).keep_jobs_days * DAY_S > MAX_AGE_S + 2 * MAX_AHEAD_S


def test_old_jobs_go_and_come_back_no_more(stopped: Nodes) -> None:
    nodes = stopped
    nodes.start()
    nodes.upload("d", [VALUES])
    asked = Asked(nodes, "d").sent()
    assert asked.result() == sum(VALUES)
    refused = Asked(nodes, "d", lambda x: x)
    assert {answer.status_code for answer in refused.send().values()} == {403}

    # less space than is to be kept free: the node says so, by name, and nothing is written
    before = Asked(nodes, "d")
    assert_ok(before.send("c")["c"])
    nodes.terminate("c")
    nodes.set("c", "free_bytes", str(1 << 60))
    nodes.start("c")
    before.send("a", "b")
    for info in before.ends().values():
        assert info.state == "failed" and info.error is not None
        assert (info.error.node, info.error.error) == ("c", "disk-full")
    assert not list((nodes.folder / "c" / "store" / "results").glob(before.job))
    answer = Asked(nodes, "d").send("c")["c"]
    assert answer.status_code == 507 and answer.json()["error"] == "disk-full"
    assert "c has too little space" in answer.json()["message"]
    new = Asked(nodes, "d", created=time.time() + MAX_AHEAD_S + 30, seconds=600)
    nodes.terminate(*NAMES)

    later = [0.0]
    node = Node(NodeSettings.load(nodes.folder / "a" / "node.toml"), now=lambda: time.time() + later[0])
    try:
        card = nodes.people["analyst"].card
        entries = sum(1 for _ in node.context.store.audit.entries())
        assert node.rooms.jobs.submit(asked.bundle, card).state == "done"
        assert node.context.store.jobs.bundle(asked.job) == asked.bundle
        with pytest.raises(Gone):
            node.context.store.jobs.bundle(refused.job)
        assert node.rooms.jobs.results.path(asked.job).exists()
        case = node.rooms.jobs.admission.read(node.rooms.jobs.admission.open(asked.bundle, card.fingerprint))
        assert 100 < case.stored_bytes < 10_000
        with pytest.raises(DiskFull):
            node.context.store.check_space(1 << 60)

        later[0] = 89 * DAY_S
        node.rooms.jobs.retention.forget()
        assert node.rooms.jobs.info(asked.job).state == "done"
        later[0] = 91 * DAY_S
        node.rooms.jobs.retention.forget()
        assert not {row.job for row in node.context.store.jobs.list()} & {asked.job, refused.job}
        assert not node.rooms.jobs.results.path(asked.job).exists()
        with pytest.raises(IntegrityError, match="was signed at"):
            node.rooms.jobs.submit(asked.bundle, card)
        # what was done stays on record
        assert sum(1 for _ in node.context.store.audit.entries()) == entries
        receipt = node.context.store.jobs.receipts("d")[0]
        assert (receipt.job, receipt.state) == (asked.job, "done")
        assert receipt.bundle_hash == receipt.details["bundle"] != "0" * 64

        # the clock was wrong, and is put right: what went too early does not come back, later jobs do
        later[0] = 0.0
        with pytest.raises(IntegrityError, match="that a has forgotten"):
            node.rooms.jobs.submit(asked.bundle, card)
        later[0] = MAX_AHEAD_S + 60.0
        with pytest.raises(IntegrityError, match="that a has forgotten"):
            node.rooms.jobs.submit(before.bundle, card)
        assert node.rooms.jobs.submit(new.bundle, card).state == "queued"
    finally:
        node.stop()
