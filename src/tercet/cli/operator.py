"""`tercet node status|jobs|approve|deny|accept-head|datasets|audit`: commands that ask the operator's running node."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, urlencode

import typer

from tercet.cli.audit import show_entries
from tercet.cli.listing import one_job, show_datasets, show_job, show_jobs
from tercet.cli.options import SETTINGS, JsonOption, NodeOption, example, own_node
from tercet.cli.output import Exit, amount, console, facts, grid, moment, print_json, rows, say
from tercet.errors import ConfigError
from tercet.federation.text import counted

if TYPE_CHECKING:
    from tercet.client.nodes import NodeClient
    from tercet.federation.api_admin import NodeStatus
    from tercet.federation.api_jobs import JobInfo

_ID_DIGITS = 32


def status(node: NodeOption = Path(SETTINGS), as_json: JsonOption = False) -> None:
    """Show how the node is; exit status 1 if it is not ready."""
    from tercet.federation.api_admin import NodeStatus

    with own_node(node) as own:
        found = own.get("/v1/admin/status", NodeStatus)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show_status(found)
    if not found.health.ready:
        raise typer.Exit(Exit.ERROR)


def _show_status(found: NodeStatus) -> None:
    screen, info = console(), found.node
    busy = sum(lane.job is not None for lane in found.lanes)
    waits = f"NOT READY: {'; '.join(found.health.missing)}"
    jobs = ", ".join(f"{count} {state}" for state, count in found.jobs.items() if count) or "none"
    problem = f", NOT IN FORCE as it is now: {found.policy.error}" if found.policy.error else ""
    facts(
        {
            "node": f"{info.name}, party {info.party} of {info.federation_name}",
            "state": "ready" if found.health.ready else waits,
            "running": f"{info.software}, since {moment(info.started)}",
            "workers": f"{busy} of {len(found.lanes)} busy",
            "jobs": jobs,
            "storage": f"{counted(found.datasets, 'dataset')}, {amount(found.stored_bytes)}; "
            f"{amount(found.free_bytes)} free",
            "uploads": f"{found.uploads} open" if found.uploads else "",
            "catalogue": found.catalogue,
            "policy": f"{found.policy.people} people, {counted(found.policy.rules, 'rule')}, "
            f"loaded {moment(found.policy.loaded)}{problem}",
            "audit": f"{counted(found.audit.number, 'entry')}, newest {found.audit.hash[:16]}",
            "in doubt": ", ".join(found.in_doubt),
        }
    )
    lines = [
        (
            peer.name,
            "reachable" if peer.reachable else f"NOT REACHABLE: {peer.problem}",
            f"{1000 * peer.round_trip_s:.0f} ms" if peer.reachable else "",
            f"{peer.clock_ahead_s:+.1f} s" if peer.reachable else "",
            peer.software,
            f"DIFFERS: {', '.join(peer.differing)}" if peer.differing else "fits",
        )
        for peer in found.peers
    ]
    screen.print()
    screen.print(rows(grid("other node", "", "round trip", "its clock", "software", "data", right=(2, 3)), lines))
    for warning in found.warnings:
        say(f"\nwarning: {warning}")


def jobs(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Show this one; its first digits do.")] = "",
    state: Annotated[str, typer.Option("--state", help="Only held, queued, running, done, failed, ...")] = "",
    node: NodeOption = Path(SETTINGS),
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first; or show one and what it discloses."""
    with own_node(node) as own:
        if job:
            show_job(_find_job(own, job), as_json=as_json)
        else:
            show_jobs(_all_jobs(own, state), as_json=as_json)


def approve(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The held job; its first digits do.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes into the audit.")] = "",
    node: NodeOption = Path(SETTINGS),
) -> None:
    """Let a held job through at this node.

    Read what it discloses first: tercet node jobs JOB.
    """
    _rule("approve", job, reason, node)


def deny(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The held job; its first digits do.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; the analyst is told, and it goes into the audit.")] = "",
    node: NodeOption = Path(SETTINGS),
) -> None:
    """Refuse a held job at this node, and so at all three."""
    _rule("deny", job, reason, node)


def _rule(verdict: str, job: str, reason: str, node: Path) -> None:
    from tercet.federation.api_admin import OperatorReason
    from tercet.federation.api_jobs import JobInfo

    with own_node(node) as own:
        found = _find_job(own, job)
        info = own.post(f"/v1/admin/jobs/{found.job}/{verdict}", OperatorReason(reason=reason), JobInfo)
    waiting = f"; waiting for {', '.join(info.waiting_for)}" if info.waiting_for else ""
    say(f"Job {info.job} of {info.analyst_name} is {info.state} here{waiting}.")


def accept_head(
    name: Annotated[str, typer.Argument(metavar="NODE", help="The other node, which was restored from a backup.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes into the audit.")] = "",
    node: NodeOption = Path(SETTINGS),
) -> None:
    """Take the next audit head of another node, though it is old.

    A node that shows an old head may hide what it did since, so this node runs no job with it. After a restore from a
    backup that is as it should be: ask its operator, over the telephone.
    """
    from tercet.federation.api_admin import ChainHead, OperatorReason

    with own_node(node) as own:
        own.post(f"/v1/admin/nodes/{quote(name, safe='')}/accept-head", OperatorReason(reason=reason), ChainHead)
    say(f"The next audit head of {name} is taken, whichever it is.")


def check(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Whose values are to be checked.")],
    node: NodeOption = Path(SETTINGS),
) -> None:
    """Have data checked that nobody has checked yet.

    The nodes look whether all values are in their declared ranges. Run it at the node that coordinates. One bit an
    upload becomes plain, and no value. Uploads are checked before they become visible, so this is for data from before
    that, or whose ranges have been narrowed. Exit status 1 if an upload did not pass.
    """
    from tercet.federation.api_admin import CheckReport

    with own_node(node) as own:
        found = own.post(f"/v1/admin/datasets/{quote(dataset, safe='')}/check", None, CheckReport)
    for upload in found.passed:
        say(f"Upload {upload} of {dataset} passed.")
    for upload in found.failed:
        say(f"Upload {upload} of {dataset} did NOT pass: some value is outside its range.")
    if not found.passed and not found.failed:
        say(f"All of {dataset} has been checked.")
    if found.failed:
        raise typer.Exit(Exit.ERROR)


def repair(
    transaction: Annotated[
        str, typer.Argument(metavar="CHANGE", help="Only this change; else all that this node lacks.")
    ] = "",
    node: NodeOption = Path(SETTINGS),
) -> None:
    """Bring this node to the state of the other two.

    Changes that they have committed and this node has not are fetched, each with its order, the coordinator's signed
    verdict and the signed votes of all three nodes, and are committed here only if they are what this node voted for.
    Exit status 1 if one could not be repaired.
    """
    from tercet.federation.api_admin import RepairOrder, RepairReport

    with own_node(node) as own:
        found = own.post("/v1/admin/repair", RepairOrder(transaction=transaction or None), RepairReport)
    for one in found.repaired:
        about = f" of {one.dataset}" if one.dataset else ""
        say(f"Change {one.transaction}{about} was {one.was} here, and is committed now.")
    for name, why in found.failed.items():
        say(f"Change {name} is NOT repaired: {why}")
    for proof in found.proofs:
        say(f"Proven: {proof} (see tercet node audit).")
    if not found.repaired and not found.failed:
        say("This node has every change that the others have.")
    if found.failed:
        raise typer.Exit(Exit.ERROR)


def _all_jobs(own: NodeClient, state: str) -> list[JobInfo]:
    from tercet.federation.api_jobs import JobList

    query = f"?{urlencode({'state': state})}" if state else ""
    return own.get(f"/v1/admin/jobs{query}", JobList).jobs


def _find_job(own: NodeClient, start: str) -> JobInfo:
    """The one job whose identifier begins so. Raises InputError."""
    from tercet.federation.api_jobs import JobInfo

    if len(start) == _ID_DIGITS:
        return own.get(f"/v1/jobs/{quote(start, safe='')}", JobInfo)
    return one_job(_all_jobs(own, ""), start, "tercet node jobs")


def datasets(node: NodeOption = Path(SETTINGS), as_json: JsonOption = False) -> None:
    """List the datasets that this node has its part of."""
    from tercet.federation.api import DatasetList

    with own_node(node) as own:
        show_datasets(own.get("/v1/admin/datasets", DatasetList).datasets, as_json=as_json)


def audit(
    last: Annotated[int, typer.Option("--last", min=1, help="How many entries, counted from the newest.")] = 20,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Write all entries to a new file."),
    ] = None,
    node: NodeOption = Path(SETTINGS),
    as_json: JsonOption = False,
) -> None:
    """Show or export what this node has recorded.

    It is a signed chain that anybody can check offline: see tercet audit verify.
    """
    from tercet.federation.api_admin import AuditPage
    from tercet.store.audit import Entry

    with own_node(node) as own:
        if export is not None:
            count = _export(own, export)
            say(f"{export}: {counted(count, 'entry')}. Check them: tercet audit verify {export}")
            return
        head = own.get("/v1/admin/audit?after=0&limit=1", AuditPage).head
        found = own.get(f"/v1/admin/audit?after={max(0, head.number - last)}&limit={last}", AuditPage)
    show_entries([Entry.model_validate(entry) for entry in found.entries], as_json=as_json)


def _export(own: NodeClient, path: Path) -> int:
    from tercet.client.own_node import audit_entries

    count = 0
    try:
        with path.open("x", encoding="utf-8") as file:
            for entry in audit_entries(own):
                file.write(json.dumps(entry, sort_keys=True) + "\n")
                count += 1
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", hint="name a new file") from None
    return count


COMMANDS: dict[Callable[..., None], str] = {
    status: example("tercet node status", "tercet node status --json"),
    jobs: example("tercet node jobs --state held", "tercet node jobs 4f0c"),
    approve: example('tercet node approve 4f0c --reason "ethics vote 12/2026"'),
    deny: example('tercet node deny 4f0c --reason "the group is too small"'),
    accept_head: example('tercet node accept-head university --reason "restored on 3 May, they say"'),
    check: example("tercet node check patients"),
    repair: example("tercet node repair"),
    datasets: example("tercet node datasets"),
    audit: example("tercet node audit --last 20", "tercet node audit --export hospital-a.audit.jsonl"),
}
