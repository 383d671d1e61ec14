"""What an analyst asks from the page: a query, a regression or a histogram; explained and asked by the same plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from tercet.array.results import reveal
from tercet.client import query
from tercet.client.asking import Held, NodesExplanation
from tercet.client.features import chosen_features
from tercet.client.remote import RemoteSession
from tercet.errors import InputError
from tercet.federation.model import DatasetName
from tercet.learn.design import add_constant
from tercet.learn.ordinary import OLS
from tercet.plan.record.explain import Explanation
from tercet.statistics.asked import Pending
from tercet.statistics.descriptive import histogram
from tercet.web.analyst.answers import Told, histogram_told, query_told, regression_told

PAGE = "page"
"""The name under which a question that is no SQL is stored with its job."""
MAX_BINS = 200

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SqlQuestion(_Asked):
    """One SELECT, as `tercet query` takes it."""

    kind: Literal["sql"]
    sql: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]


class RegressionQuestion(_Asked):
    """Least squares with standard errors; of all other numbers where `features` is empty."""

    kind: Literal["regression"]
    dataset: DatasetName
    target: Name
    features: Annotated[list[Name], Field(max_length=100)]


class HistogramQuestion(_Asked):
    """How many values of a column are in each of some equal bins between its bounds."""

    kind: Literal["histogram"]
    dataset: DatasetName
    column: Name
    bins: Annotated[int, Field(ge=2, le=MAX_BINS)]


Question = Annotated[SqlQuestion | RegressionQuestion | HistogramQuestion, Field(discriminator="kind")]
_QUESTION: TypeAdapter[Question] = TypeAdapter(Question)


@dataclass(frozen=True)
class _Prepared:
    """A question as arrays: `facts` are stored with the job, `ask` runs it, `of` makes the answer of a job's values."""

    facts: dict[str, str]
    explain: Callable[[], Explanation]
    ask: Callable[[], Told]
    of: Callable[[str], Told]


def _prepared(net: RemoteSession, question: Question) -> _Prepared:
    if isinstance(question, SqlQuestion):
        sql = question.sql
        return _Prepared(
            {query.SQL: sql},
            lambda: query.explain(net, sql),
            lambda: query_told(query.ask(net, sql)),
            lambda job: query_told(query.answer_of(net, job)),
        )
    pending, told = _statistic(net, question)
    wanted = pending.wanted()

    def answered(values: Any) -> Told:
        return told(pending.result(list(values)))

    def ask() -> Told:
        found: Any = reveal(*wanted)
        return answered([found] if len(wanted) == 1 else found)

    return _Prepared({PAGE: question.model_dump_json()}, pending.explain, ask, lambda job: answered(net.fetch(job)))


def _statistic(
    net: RemoteSession, question: RegressionQuestion | HistogramQuestion
) -> tuple[Pending[Any], Callable[[Any], Told]]:
    """What is asked before anything runs, and how its result is told."""
    table = net.table(question.dataset)
    if isinstance(question, HistogramQuestion):
        numbers = [c.name for c in table.schema.columns if c.kind.is_number]
        if question.column not in numbers:
            raise InputError(
                f"{question.dataset} has no column of numbers {question.column!r}",
                hint=f"there are {', '.join(numbers) or 'none'}",
            )
        return histogram.pending(table[question.column], bins=question.bins), histogram_told
    names = chosen_features(table, question.target, question.features)
    columns = {name: table[name] for name in names}
    model = OLS(table[question.target], add_constant(columns), endog_name=question.target)
    return model.fit().pending(), regression_told


def explained(net: RemoteSession, question: Question) -> NodesExplanation:
    """What a question costs and reveals, and what each node says to it; nothing runs. Raises as `ask` does."""
    found = _prepared(net, question).explain()
    assert isinstance(found, NodesExplanation)
    return found


def asked(net: RemoteSession, question: Question, held: Callable[[Held], None]) -> Told:
    """Ask it, and wait for the answer; `held` is called where an operator has to approve it first.

    Raises InputError for what is not offered, Refused, and all else that jobs raise.
    """
    prepared = _prepared(net, question)
    try:
        with net.asking_about(**prepared.facts):
            return prepared.ask()
    except Held as error:
        held(error)
        net.wait_if_held = True
        return prepared.of(error.job)


def asked_with(net: RemoteSession, job: str) -> Question:
    """The question of an earlier job of this page, or of `tercet query`.

    Raises InputError where what is needed to read its answer is not here.
    """
    facts = net.ticket(job).about
    if query.SQL in facts:
        return SqlQuestion(kind="sql", sql=facts[query.SQL])
    if PAGE in facts:
        return _QUESTION.validate_json(facts[PAGE])
    raise InputError(f"job {job[:8]} was not asked here", hint="fetch it where it was asked, or ask again")


def answered(net: RemoteSession, job: str, question: Question) -> Told:
    """The answer of an earlier job, which asked this question; waits for its end."""
    net.wait_if_held = True
    return _prepared(net, question).of(job)
