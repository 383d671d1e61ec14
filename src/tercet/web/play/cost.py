"""Chapter "Cost": a computation under sharing, measured now, beside the same in plain, and noise by formula."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tercet.array.core import SecretArray
from tercet.array.results import explain, reveal
from tercet.client.session import Session
from tercet.learn.linear_model import LinearRegression
from tercet.web.picture import NETWORKS, picture

EPSILONS = (0.1, 1.0, 10.0)
_INCOMES = (0.0, 200_000.0)
_REPEATS = 5
_CONFIDENCE = 0.95

Floats = NDArray[np.float64]
TaskName = Literal["mean", "count", "regression"]
Rows = Literal[100, 1_000, 10_000, 100_000]


class CostAsked(BaseModel):
    """Which computation, of how many rows."""

    model_config = ConfigDict(extra="forbid", strict=True)
    task: TaskName
    rows: Rows


@dataclass(frozen=True)
class Question:
    """A computation under sharing and in plain. `sensitivity`: by how much one person can change the answer, from the
    number of rows; None where there is no simple bound."""

    shared: Callable[[Session, Floats], tuple[SecretArray, ...]]
    plain: Callable[[Floats], Floats]
    sensitivity: Callable[[int], float] | None


def table(rows: int) -> Floats:
    """Made-up people: age, years of school, hours a week, income. The same at each call."""
    steps = np.arange(1, rows + 1)
    # multiples of irrational numbers, modulo 1, are spread evenly and independently
    parts = np.stack([(steps * math.sqrt(prime)) % 1 for prime in (2, 3, 5, 7)], axis=1)
    age, school, hours = 18 + 47 * parts[:, 0], 8 + 12 * parts[:, 1], 10 + 40 * parts[:, 2]
    income = 500 * age + 2_500 * school + 600 * hours + 40_000 * (parts[:, 3] - 0.5)
    return np.stack([age, school, hours, income.clip(*_INCOMES)], axis=1)


def _income(net: Session, people: Floats) -> SecretArray:
    return net.share(people[:, 3], bounds=_INCOMES)


def _regression(net: Session, people: Floats) -> tuple[SecretArray, ...]:
    # in units of which all are at most 1 or 2: thousands of dollars a year by a hundred
    features = net.share(people[:, :3] / 100, bounds=(0, 1))
    model = LinearRegression().fit(features, net.share(people[:, 3] / 100_000, bounds=(0, 2)))
    return model.coef_, model.intercept_


def _plain_regression(people: Floats) -> Floats:
    design = np.column_stack([people[:, :3] / 100, np.ones(len(people))])
    return np.asarray(np.linalg.lstsq(design, people[:, 3] / 100_000, rcond=None)[0])


TASKS: dict[TaskName, Question] = {
    "mean": Question(
        lambda net, people: (_income(net, people).mean(),),
        lambda people: np.atleast_1d(people[:, 3].mean()),
        lambda rows: (_INCOMES[1] - _INCOMES[0]) / rows,
    ),
    "count": Question(
        lambda net, people: ((_income(net, people) > 60_000).sum(),),
        lambda people: np.atleast_1d((people[:, 3] > 60_000).sum()).astype(np.float64),
        lambda rows: 1.0,
    ),
    "regression": Question(_regression, _plain_regression, None),
}


def noise(sensitivity: float) -> list[dict[str, float]]:
    """What Laplace noise of scale sensitivity / epsilon does to an answer: the mean error, and the one that 95 % stay
    below."""
    return [
        {
            "epsilon": epsilon,
            "error": sensitivity / epsilon,
            "most": -math.log(1 - _CONFIDENCE) * sensitivity / epsilon,
        }
        for epsilon in EPSILONS
    ]


def cost(net: Session, asked: CostAsked) -> dict[str, Any]:
    """Run it both ways. Seconds elsewhere are the computing of this run, and the wire by its rounds and bytes."""
    task, people = TASKS[asked.task], table(asked.rows)
    wanted = task.shared(net, people)
    seen = picture(explain(*wanted))
    with net.measure() as measured:
        revealed = reveal(*wanted)
    found = np.concatenate([np.ravel(value) for value in (revealed if len(wanted) > 1 else [revealed])])
    plain_s, plain = _timed(lambda: task.plain(people))
    return {
        "rounds": measured.rounds,
        "bytes_per_party": measured.bytes_per_party,
        "seconds": measured.seconds,
        "elsewhere": {network.name: measured.computing_s + seen.seconds[network.name] for network in NETWORKS},
        "links": {network.name: [network.rtt_s, network.bandwidth_bps] for network in NETWORKS},
        "error": float(np.abs(found - plain).max()),
        "answer": [float(value) for value in found],
        "plain": [float(value) for value in plain],
        "plain_seconds": plain_s,
        "noise": noise(task.sensitivity(asked.rows)) if task.sensitivity is not None else [],
        "picture": seen,
    }


def _timed(work: Callable[[], Floats]) -> tuple[float, Floats]:
    taken, result = [], work()
    for _ in range(_REPEATS):
        began = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - began)
    return median(taken), result


def cost_routes(computing: Session) -> APIRouter:
    """The route of the chapter, below /api/."""
    routes = APIRouter(prefix="/api")

    @routes.post("/cost")
    def measure(asked: CostAsked) -> dict[str, Any]:
        return cost(computing, asked)

    return routes
