"""Commands of analysts: ask, fit, look at jobs, fetch results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercet.cli.listing import SHORT, one_job, show_jobs
from tercet.cli.options import AnalystOption, FederationOption, JsonOption, example, federation_path, identity_path
from tercet.cli.output import Exit, amount, bar, console, grid, moment, print_json, rows, say

if TYPE_CHECKING:
    from tercet.client.base import JobRecord
    from tercet.client.query import Answer
    from tercet.client.remote import RemoteSession

_FEATURES, _FIT = "features", "fit"

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job; its first digits do.")]
DatasetArgument = Annotated[str, typer.Argument(metavar="DATASET", help="The name of the dataset.")]
SqlArgument = Annotated[str, typer.Argument(metavar="SQL", help="One SELECT of aggregates; quote it.")]
PurposeOption = Annotated[
    str, typer.Option("--purpose", "-p", metavar="TEXT", help="Why you ask; operators and owners read it.")
]
DeadlineOption = Annotated[
    float, typer.Option("--deadline", metavar="SECONDS", min=1, help="Give up if it takes longer than this.")
]
WaitOption = Annotated[bool, typer.Option("--wait", help="If an operator has to approve, wait until that is done.")]
ViaOption = Annotated[str | None, typer.Option("--via", metavar="NODE", help="Send all requests through this node.")]


@contextmanager
def connected(
    federation: Path | None, identity: Path | None, *, wait: bool | None = None, **options: Any
) -> Iterator[RemoteSession]:
    """A session as an analyst. For a command that runs a job `wait` says whether it waits for an operator's approval;
    there is a bar then, and a job that an operator holds ends the command with status 4.
    """
    from tercet.client.asking import JOBS_FOLDER, Held
    from tercet.client.connect import connect

    who = identity_path(identity, "analyst")
    nodes = federation_path(federation)
    with (
        bar(console(err=True), "the nodes work", 1.0) if wait is not None else nullcontext(lambda done: None) as done,
        connect(nodes, who, remember=who.parent / JOBS_FOLDER, progress=done, **options) as net,
    ):
        net.wait_if_held = bool(wait)
        try:
            yield net
            return
        except Held as error:
            held = error
    say(f"tercet: {held.message}", err=True)
    say(f"tercet: hint: when it is approved: tercet result {held.job[:SHORT]}", err=True)
    raise typer.Exit(Exit.HELD)


# -- queries


def query(
    sql: SqlArgument,
    purpose: PurposeOption = "",
    deadline: DeadlineOption = 3600.0,
    wait: WaitOption = False,
    via: ViaOption = None,
    federation: FederationOption = None,
    identity: AnalystOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a question in SQL; the answer is put together here.

    One SELECT about one dataset, or about two with JOIN or LEFT JOIN on their public keys. Names ignore case, and may
    stand behind the name or alias of their table. What is not in this list is refused by name, never ignored.

    Aggregates: COUNT(*), COUNT, SUM, AVG, STDDEV, STDDEV_SAMP, STDDEV_POP, VAR_SAMP, VAR_POP, and + - * / of them and
    of numbers. MIN and MAX, which are the values of single rows, where a rule of all nodes names the column under
    per_row; the policy of `tercet up` names none.

    Of a row: columns, numbers, 'texts', dates as '2020-01-31', TRUE, FALSE, NULL, + - * /, ABS, CASE, COALESCE, NULLIF.

    Conditions (WHERE, CASE WHEN): = <> < <= > >=, BETWEEN, IN (...), IS NULL, IS TRUE, IS FALSE, AND, OR, NOT. Whether
    a row meets one is computed under sharing and never shown.

    GROUP BY: columns of categories and bools. A group, or an aggregate under a condition, is shown only where as many
    rows are in it as the nodes' policies demand.
    """
    from tercet.client.query import ask

    with connected(federation, identity, wait=wait, purpose=purpose, deadline=deadline, via=via) as net:
        answer = ask(net, sql)
        cost = net.last_job
    show_answer(answer, as_json=as_json)
    show_cost(cost, as_json=as_json)


def show_answer(answer: Answer, *, as_json: bool) -> None:
    """The answer of a query as a table, or as a list of objects, null for what is not shown."""
    from tercet.client.aggregates import NOT_SHOWN
    from tercet.client.query import cell_text

    if answer.note:
        say(f"tercet: {answer.note}", err=True)
    if as_json:
        shown = [[None if cell is NOT_SHOWN else cell for cell in row] for row in answer.rows]
        print_json([dict(zip(answer.names, row, strict=True)) for row in shown])
        return
    texts = [place for place, cell in enumerate(answer.rows[0]) if isinstance(cell, str | bool)] if answer.rows else []
    right = [place for place in range(len(answer.names)) if place not in texts]
    console().print(
        rows(grid(*answer.names, right=right), [[cell_text(cell, grouped=True) for cell in row] for row in answer.rows])
    )


def show_cost(cost: JobRecord | None, *, as_json: bool) -> None:
    """What the job took, on standard error."""
    if cost is not None and not as_json:
        sent = amount(cost.bytes_per_party)
        line = f"{cost.rounds} rounds, {sent} sent by each node, {cost.seconds:.2f} s; job {cost.job[:SHORT]}"
        console(err=True).print(f"[dim]{line}[/dim]")


def explain(
    sql: SqlArgument,
    purpose: PurposeOption = "",
    via: ViaOption = None,
    federation: FederationOption = None,
    identity: AnalystOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a query would cost and reveal; nothing runs.

    Each node says whether its policy would accept, hold or refuse it, by which rule, and why. Exit status 3 if one
    would refuse it, 4 if one would hold it.
    """
    from tercet.client.asking import NodesExplanation
    from tercet.client.query import explain as explain_query

    with connected(federation, identity, purpose=purpose, via=via) as net:
        found = explain_query(net, sql)
    assert isinstance(found, NodesExplanation)
    if as_json:
        print_json({"decisions": [each.model_dump(mode="json") for each in found.decisions], "plan": str(found)})
    else:
        console().print(str(found), markup=False, soft_wrap=True)
        for text in dict.fromkeys(found.texts.values()):
            who = [node for node, told in found.texts.items() if told == text]
            say(f"\nAs {', '.join(who)} see{'s' * (len(who) == 1)} it:\n{text}")
    verdicts = {each.verdict for each in found.decisions}
    if verdicts != {"accepted"}:
        raise typer.Exit(Exit.REFUSED if "refused" in verdicts else Exit.HELD)


# -- regressions


def fit(
    dataset: DatasetArgument,
    target: Annotated[str, typer.Option("--target", "-t", metavar="COLUMN", help="The column to predict.")],
    features: Annotated[
        str, typer.Option("--features", metavar="A,B,...", help="From which; all other numbers if not given.")
    ] = "",
    save: Annotated[
        str, typer.Option("--save", metavar="NAME", help="Keep the model at the nodes, opened by nobody.")
    ] = "",
    intercept: Annotated[bool, typer.Option("--intercept/--no-intercept", help="Whether to fit a constant.")] = True,
    purpose: PurposeOption = "",
    deadline: DeadlineOption = 3600.0,
    wait: WaitOption = False,
    via: ViaOption = None,
    federation: FederationOption = None,
    identity: AnalystOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a linear regression on the rows of all owners.

    Coefficients are revealed to you alone. With --save nothing is revealed: the model is kept as shares, and
    predicts under sharing (in Python: tercet.load).
    """
    from tercet.array.results import reveal
    from tercet.client.features import chosen_features
    from tercet.linear_model import LinearRegression

    values: tuple[Any, ...] = ()
    with connected(federation, identity, wait=wait, purpose=purpose, deadline=deadline, via=via) as net:
        table = net.table(dataset)
        names = chosen_features(table, target, [name.strip() for name in features.split(",") if name.strip()])
        with net.asking_about(**{_FIT: f"{dataset}.{target}", _FEATURES: ",".join(names)}):
            model = LinearRegression(fit_intercept=intercept).fit(table[names], table[target])
            if save:
                model.save(net, save)
            else:
                values = reveal(model.coef_, model.aliased_, *((model.intercept_,) if intercept else ()))
        cost = net.last_job
    if not save:
        show_fit(names, values, as_json=as_json)
    elif as_json:
        print_json({"saved": save})
    else:
        say(f"The model is kept at the nodes as {save}, opened by nobody.")
        say(f"In Python: tercet.load({save!r}, net).predict(...)")
    show_cost(cost, as_json=as_json)


def show_fit(names: list[str], values: tuple[Any, ...], *, as_json: bool) -> None:
    """Coefficients, with a note on columns that follow from others."""
    import numpy as np

    coefficients, aliased = np.atleast_1d(values[0]), np.atleast_1d(values[1])
    constant = float(values[2]) if len(values) > 2 else None
    if as_json:
        print_json(
            {
                "coefficients": dict(zip(names, map(float, coefficients), strict=True)),
                "intercept": constant,
                "aliased": [name for name, each in zip(names, aliased, strict=True) if each],
            }
        )
        return
    lines = [
        (name, "0 (follows from the columns before)" if each else f"{value:.8g}")
        for name, value, each in zip(names, coefficients, aliased, strict=True)
    ]
    if constant is not None:
        lines.append(("(intercept)", f"{constant:.8g}"))
    console().print(rows(grid("coefficient of", "", right=(1,)), lines))


# -- jobs


def result(
    job: JobArgument,
    wait: WaitOption = False,
    federation: FederationOption = None,
    identity: AnalystOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the result of a job that was held, or cut off.

    It can be read where it was asked: what the numbers mean is remembered beside your identity, not at the nodes.
    """
    from tercet.client.query import SQL, answer_of

    with connected(federation, identity, wait=wait) as net:
        whole = one_job(net.jobs(), job).job
        about = net.ticket(whole).about
        answer = answer_of(net, whole) if SQL in about else None
        values = () if answer is not None else net.fetch(whole)
    if answer is not None:
        show_answer(answer, as_json=as_json)
    elif _FIT in about:
        show_fit(about[_FEATURES].split(","), values, as_json=as_json)
    elif as_json:
        import numpy as np

        print_json([np.asarray(value).tolist() for value in values])
    else:
        for value in values:
            say(str(value))


def jobs(federation: FederationOption = None, identity: AnalystOption = None, as_json: JsonOption = False) -> None:
    """List your jobs, newest first, with what was charged.

    It also says on what the results rest: on checked data, and on bounds that are claimed and not proven. It is as
    the coordinator has it; where another node tells another end, or other grounds, a line says so.
    """
    from tercet.client.asking import listed as asked_jobs

    with connected(federation, identity) as net:
        listed, otherwise = asked_jobs(net.nodes)
    show_jobs(listed, as_json=as_json, otherwise=otherwise)


def cancel(job: JobArgument, federation: FederationOption = None, identity: AnalystOption = None) -> None:
    """Cancel a job; nothing of it is revealed or kept."""
    with connected(federation, identity) as net:
        whole = one_job(net.jobs(), job).job
        net.cancel(whole)
        infos = net.job(whole)
    told = ", ".join(f"{info.state} at {info.decision.node}" for info in infos)
    say(f"Job {whole} is {told}.")


# -- what is kept


def kept(federation: FederationOption = None, identity: AnalystOption = None, as_json: JsonOption = False) -> None:
    """List the models and arrays that you keep at the nodes."""
    with connected(federation, identity) as net:
        found = net.kept()
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    if not found:
        console().print("no models or arrays are kept")
        return
    lines = []
    for each in found:
        kind = str(each.model["class"]) if each.model and "class" in each.model else "array"
        about = "; ".join(each.made_of)
        lines.append((each.name, kind, about, moment(each.created), moment(each.expires) or "never"))
    console().print(rows(grid("name", "kind", "made of", "made", "expires"), lines))


def drop(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model or array.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    federation: FederationOption = None,
    identity: AnalystOption = None,
) -> None:
    """Delete a kept model or array at all three nodes."""
    if not yes:
        typer.confirm(f"Delete {name} at all three nodes?", abort=True)
    with connected(federation, identity) as net:
        net.drop(name)
    say(f"Deleted {name} at all three nodes.")


COMMANDS: dict[Callable[..., None], str] = {
    query: example(
        "tercet query 'SELECT AVG(age), COUNT(*) FROM patients WHERE bmi > 30'",
        "tercet query 'SELECT sex, AVG(bmi) FROM patients GROUP BY sex' --json",
    ),
    explain: example("tercet explain 'SELECT AVG(age) FROM patients WHERE bmi > 30'"),
    fit: example(
        "tercet fit patients --target progression --features age,bmi",
        "tercet fit patients --target progression --save risk",
    ),
    jobs: example("tercet jobs"),
    result: example("tercet result 4f0c"),
    cancel: example("tercet cancel 4f0c"),
    kept: example("tercet kept"),
    drop: example("tercet drop risk"),
}
