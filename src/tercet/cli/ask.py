"""What analysts do: ask, fit, look at jobs, fetch results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli.listing import one_job, show_jobs
from tercet.cli.options import AnalystOption, FederationOption, JsonOption, example, load_federation, load_identity
from tercet.cli.output import console

if TYPE_CHECKING:
    from tercet.client.nodes import Nodes
    from tercet.federation.api import JobInfo

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job; its first digits do.")]


@contextmanager
def analyst_nodes(federation: Path | None, identity: Path | None) -> Iterator[Nodes]:
    """The three nodes, asked as an analyst."""
    from tercet.client.nodes import Nodes

    with Nodes(load_federation(federation), load_identity(identity, "analyst")) as nodes:
        yield nodes


def _own_jobs(nodes: Nodes, state: str = "") -> list[JobInfo]:
    from tercet.federation.api import JobList

    return nodes.coordinator.get(f"/v1/jobs{f'?state={state}' if state else ''}", JobList).jobs


def jobs(federation: FederationOption = None, identity: AnalystOption = None, as_json: JsonOption = False) -> None:
    """List your jobs, newest first."""
    with analyst_nodes(federation, identity) as nodes:
        show_jobs(_own_jobs(nodes), as_json=as_json)


def cancel(job: JobArgument, federation: FederationOption = None, identity: AnalystOption = None) -> None:
    """Cancel a job; nothing of it is revealed or kept."""
    from tercet.federation.api import JobInfo

    with analyst_nodes(federation, identity) as nodes:
        whole = one_job(_own_jobs(nodes), job).job
        infos = nodes.each(lambda node: node.post(f"/v1/jobs/{whole}/cancel", None, JobInfo))
    console().print(f"Job {whole} is {infos[0].state}.", markup=False)


COMMANDS: dict[Callable[..., None], str] = {
    jobs: example("tercet jobs"),
    cancel: example("tercet cancel 4f0c"),
}
