"""`tercet node status|jobs|approve|deny|accept-head|datasets|audit`: what an operator asks the node that runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, urlencode

import typer

from tercet.cli.audit import show_entries
from tercet.cli.errors import Exit
from tercet.cli.listing import one_job, show_datasets, show_job, show_jobs
from tercet.cli.node import SETTINGS, NodeOption, load_settings, local_url
from tercet.cli.options import JsonOption, example
from tercet.cli.output import amount, console, facts, grid, moment, rows
from tercet.errors import ConfigError

if TYPE_CHECKING:
    from tercet.client.nodes import NodeClient
    from tercet.federation.api import JobInfo, PublicJson
    from tercet.federation.api_admin import AuditPage, NodeStatus

_ID_DIGITS = 32
_PAGE = 1000


@contextmanager
def own_node(path: Path) -> Iterator[NodeClient]:
    """The operator's own node, asked with its own identity, on this machine. Raises ConfigError, Unreachable."""
    from tercet.client.nodes import NodeClient
    from tercet.federation.federation import Federation
    from tercet.federation.identity import Member

    settings = load_settings(path)
    federation, member = Federation.load(settings.federation_path), Member.load(settings.identity_path)
    party = federation.party(settings.name)
    # under the name that others use it may not be reached from behind its own firewall
    door = federation.node(party).model_copy(update={"url": local_url(settings)})
    client = NodeClient(federation, party, member, via=door)
    try:
        yield client
    finally:
        client.close()


def status(node: NodeOption = Path(SETTINGS), as_json: JsonOption = False) -> None:
    """Show how the node is; exit status 1 if it is not ready."""
    from tercet.federation.api_admin import NodeStatus

    with own_node(node) as own:
        found = own.get("/v1/admin/status", NodeStatus)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
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
    screen.print(
        facts(
            {
                "node": f"{info.name}, party {info.party} of {info.federation_name}",
                "state": "ready" if found.health.ready else waits,
                "running": f"{info.software}, since {moment(info.started)}",
                "workers": f"{busy} of {len(found.lanes)} busy",
                "jobs": jobs,
                "storage": f"{found.datasets} datasets, {amount(found.stored_bytes)}; {amount(found.free_bytes)} free",
                "uploads": f"{found.uploads} open" if found.uploads else "",
                "catalogue": found.catalogue,
                "policy": f"{found.policy.people} people, {found.policy.rules} rules, "
                f"loaded {moment(found.policy.loaded)}{problem}",
                "audit": f"{found.audit.number} entries, newest {found.audit.hash[:16]}",
                "in doubt": ", ".join(found.in_doubt),
            }
        )
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
        screen.print(f"\nwarning: {warning}", markup=False)


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
    from tercet.federation.api import JobInfo
    from tercet.federation.api_admin import Ruling

    with own_node(node) as own:
        found = _find_job(own, job)
        info = own.post(f"/v1/admin/jobs/{found.job}/{verdict}", Ruling(reason=reason), JobInfo)
    waiting = f"; waiting for {', '.join(info.waiting_for)}" if info.waiting_for else ""
    console().print(f"Job {info.job} of {info.analyst_name} is {info.state} here{waiting}.", markup=False)


def accept_head(
    name: Annotated[str, typer.Argument(metavar="NODE", help="The other node, which was restored from a backup.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes into the audit.")] = "",
    node: NodeOption = Path(SETTINGS),
) -> None:
    """Take the next audit head of another node, though it is older than the last one.

    A node that shows an old head may hide what it did since, so this node runs no job with it. After a restore from a
    backup that is as it should be: ask its operator, over the telephone.
    """
    from tercet.federation.api_admin import ChainHead, Ruling

    with own_node(node) as own:
        own.post(f"/v1/admin/nodes/{quote(name, safe='')}/accept-head", Ruling(reason=reason), ChainHead)
    console().print(f"The next audit head of {name} is taken, whichever it is.", markup=False)


def _all_jobs(own: NodeClient, state: str) -> list[JobInfo]:
    from tercet.federation.api import JobList

    query = f"?{urlencode({'state': state})}" if state else ""
    return own.get(f"/v1/admin/jobs{query}", JobList).jobs


def _find_job(own: NodeClient, start: str) -> JobInfo:
    """The one job whose identifier begins so. Raises InputError."""
    from tercet.federation.api import JobInfo

    if len(start) == _ID_DIGITS:
        return own.get(f"/v1/jobs/{quote(start, safe='')}", JobInfo)
    return one_job(_all_jobs(own, ""), start)


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
    from tercet.store.audit import Entry

    with own_node(node) as own:
        if export is not None:
            count = _export(own, export)
            console().print(f"{export}: {count} entries. Check them: tercet audit verify {export}", markup=False)
            return
        head = own.get("/v1/admin/audit?after=0&limit=1", _page()).head
        found = own.get(f"/v1/admin/audit?after={max(0, head.number - last)}&limit={last}", _page())
    show_entries([Entry.model_validate(entry) for entry in found.entries], as_json=as_json)


def _page() -> type[AuditPage]:
    from tercet.federation.api_admin import AuditPage

    return AuditPage


def audit_entries(own: NodeClient) -> Iterator[PublicJson]:
    """All entries of a node's audit, oldest first."""
    after = 0
    while True:
        page = own.get(f"/v1/admin/audit?after={after}&limit={_PAGE}", _page())
        yield from page.entries
        if page.next is None:
            return
        after = page.next


def _export(own: NodeClient, path: Path) -> int:
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
    accept_head: example('tercet node accept-head university --reason "restored on 3 May, he says"'),
    datasets: example("tercet node datasets"),
    audit: example("tercet node audit --last 20", "tercet node audit --export hospital-a.audit.jsonl"),
}
