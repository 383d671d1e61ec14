"""What must hold at three nodes after a fault: they agree, nothing is lost, half there, or left over."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from faults.actions import Actions
from faults.guarded import Guarded
from faults.ledger import Ledger, label_of
from node.trio_nodes import NAMES, assert_ok
from tercet.federation.api import DatasetInfo, DatasetList
from tercet.federation.api_admin import AuditPage, NodeStatus
from tercet.federation.api_jobs import JobList, KeptList
from tercet.node.settings import NodeSettings
from tercet.sharing import PARTIES
from tercet.store.audit import Entry, cross_check
from tercet.store.catalogue import Catalogue
from tercet.store.datasets import Datasets
from tercet.store.files import PARTS, TEMPORARY
from tercet.store.sweep import referred

SETTLE_S = 30.0
"""Within this time the three must agree again, or say who does not."""
TIDIED_S = 75.0
UNFINISHED = ("queued", "running")
_PAGE = 1000


class Broken(AssertionError):
    """Something that must hold does not."""


def settle(nodes: Guarded, limit: float = SETTLE_S) -> float:
    """Wait until all three are ready, at rest, and show the same; give the seconds that it took."""
    began = time.monotonic()
    while unsettled := restless(nodes):
        if time.monotonic() - began > limit:
            raise Broken(f"not at rest after {limit:g} s: " + "; ".join(unsettled))
        time.sleep(0.03)
    return time.monotonic() - began


def restless(nodes: Guarded) -> list[str]:
    """What is still under way, or not alike."""
    found: list[str] = []
    shown = []
    for name in NAMES:
        ready = nodes.request(name, None, "GET", "/readyz")
        if ready.status_code != 200:
            found.append(f"{name} is not ready: {ready.text[:500]}")
            continue
        status = NodeStatus.model_validate_json(
            assert_ok(nodes.request(name, "operator", "GET", "/v1/admin/status")).content
        )
        found += [f"{name} is in doubt about {doubt}" for doubt in status.in_doubt]
        found += [f"{name} runs {lane.job} in lane {lane.lane}" for lane in status.lanes if lane.job]
        found += [f"{name} has jobs {state}" for state in UNFINISHED if status.jobs.get(state)]
        infos = datasets(nodes, name)
        found += [f"{name} is changing {info.name}: {info.changing}" for info in infos if info.changing]
        shown.append((facts(infos), sorted(kept(nodes, name))))
    if not found and any(one != shown[0] for one in shown):
        found.append("the three do not show the same")
    return found


def datasets(nodes: Guarded, name: str) -> list[DatasetInfo]:
    answer = assert_ok(nodes.request(name, "operator", "GET", "/v1/datasets"))
    return DatasetList.model_validate_json(answer.content).datasets


def kept(nodes: Guarded, name: str) -> set[str]:
    answer = assert_ok(nodes.request(name, "operator", "GET", "/v1/kept"))
    return {info.name for info in KeptList.model_validate_json(answer.content).kept}


def facts(infos: list[DatasetInfo]) -> list[Any]:
    """All that must be alike at the three nodes."""
    return sorted(
        (
            info.name,
            info.version,
            info.manifest,
            info.rows,
            sorted((s.upload, s.owner, s.rows, s.columns) for s in info.segments),
        )
        for info in infos
    )


@dataclass
class Chains:
    """The audit chains of the three nodes, as far as they were read."""

    entries: dict[str, list[Entry]] = field(default_factory=lambda: {name: [] for name in NAMES})

    def read(self, nodes: Guarded) -> None:
        for name, entries in self.entries.items():
            while True:
                target = f"/v1/admin/audit?after={len(entries)}&limit={_PAGE}"
                answer = assert_ok(nodes.request(name, "operator", "GET", target))
                page = AuditPage.model_validate_json(answer.content)
                entries += [Entry.model_validate(entry) for entry in page.entries]
                if page.next is None:
                    break

    def check(self, nodes: Guarded) -> list[str]:
        """Every defect of the chains, alone and against each other."""
        self.read(nodes)
        return cross_check(
            [([nodes.federation.node(nodes.federation.party(name)).card], self.entries[name]) for name in NAMES]
        )


def check_all(nodes: Guarded, ledger: Ledger, actions: Actions, chains: Chains, touched: list[str]) -> None:
    """Check everything, and that the next jobs work, on the datasets named. The three are at rest."""
    found = ledger.compare(datasets(nodes, "a"))
    found += ledger.compare_kept({name for name in kept(nodes, "a") if "/" not in name})
    for name in touched:
        found += contents(nodes, ledger, name)
    found += lasting(lambda: leftovers(nodes))
    found += unfinished_jobs(nodes)
    found += chains.check(nodes)
    if found:
        raise Broken("\n".join(found))
    for name in touched:
        actions.ask(name, "x")


def contents(nodes: Guarded, ledger: Ledger, dataset: str) -> list[str]:
    """Put the values of a dataset together from the files of the three nodes, and compare sums with the ledger."""
    found = []
    versions = []
    for party in PARTIES:
        settings = NodeSettings.load(nodes.folder / nodes.federation.node(party).name / "node.toml")
        catalogue = Catalogue(settings.database_url)
        try:
            versions.append(Datasets(catalogue, settings.folder_path, party).get(dataset))
        finally:
            catalogue.close()
    sums = {piece.label: piece.total for piece in ledger.of(dataset)}
    for segments in zip(*(version.segments for version in versions), strict=True):
        label = label_of(segments[0].names, segments[0].rows)
        total = 0
        for chunk in range(segments[0].chunks):
            shares = [segment.read_chunk(chunk)[label[0]] for segment in segments]
            for index, share in enumerate(shares):
                if not np.array_equal(share.next, shares[(index + 1) % 3].own):
                    found.append(f"{dataset}: the holders of a component of chunk {chunk} of {label} differ")
            words = shares[0].own + shares[1].own + shares[2].own
            total += int(words.view(np.int64).sum(dtype=object))
        if total != sums.get(label):
            found.append(f"{dataset}: the values of {label} add up to {total}, not {sums.get(label)}")
    return found


def lasting(look: Callable[[], list[str]]) -> list[str]:
    """What is still found after a node has tidied up, as it does every minute: a commit may be unable to, as its
    catalogue is gone at that moment."""
    deadline = time.monotonic() + TIDIED_S
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def leftovers(nodes: Guarded) -> list[str]:
    """Files and folders of the stores that nothing refers to."""
    found = []
    for name in NAMES:
        settings = NodeSettings.load(nodes.folder / name / "node.toml")
        catalogue = Catalogue(settings.database_url)
        try:
            with catalogue.read() as connection:
                known = referred(connection)
        finally:
            catalogue.close()
        for path in (settings.folder_path / PARTS).glob("*"):
            if path.name not in known:
                found.append(f"{name}: left over: {path.name}")
        found += [f"{name}: left over: {path}" for path in settings.folder_path.rglob(f"{TEMPORARY}*")]
    return found


def unfinished_jobs(nodes: Guarded) -> list[str]:
    found = []
    for name in NAMES:
        for state in (*UNFINISHED, "held"):
            answer = assert_ok(nodes.request(name, "operator", "GET", f"/v1/jobs?state={state}"))
            found += [f"{name}: job {job.job} is {state}" for job in JobList.model_validate_json(answer.content).jobs]
    return found


def defects(nodes: Guarded) -> list[str]:
    """Errors of the code that the nodes have logged: a fault never is one."""
    found = []
    for name in NAMES:
        for line in Path(nodes.log(name)).read_text(errors="replace").splitlines():
            if "Traceback" in line or (line.startswith("{") and json.loads(line).get("event") == "defect"):
                found.append(f"{name}: {line[:1000]}")
    return found
