"""Tercet: three parties as processes that speak mutual TLS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tercet as tc
from compared.questions import LIMIT, MOST, TARGET_LIMIT, Answer, Data, solved, timed
from tercet.linear_model import LinearRegression
from tercet.ring import ring
from tercet.sharing import PARTIES, split, split_bits

SLOW = tc.EmulatedLink(0.04, 100e6)
"""40 ms there and back, 100 Mbit/s."""


def asked(data: Data, link: tc.EmulatedLink | None = None, repeats: int = 5) -> dict[str, Answer]:
    """Every question of one session, after a first time that is not counted."""
    profile = "lan" if link is None else "wan"
    with tc.local(processes=True, link=link, profile=profile) as net:
        return {
            name: answered(net, data, name, *question, repeats=repeats) for name, question in questions(data).items()
        }


def questions(data: Data) -> dict[str, tuple[dict[str, Any], Callable[..., Any]]]:
    """What each question needs, with its bounds, and how it is asked."""
    x, y = (data.x, LIMIT), (data.y, TARGET_LIMIT)
    z = np.column_stack([np.ones(data.rows), data.x, data.y]), TARGET_LIMIT

    def step(x: Any, label: Any, weights: Any) -> Any:
        slope = x.T @ (tc.special.expit(x @ weights) - label) / data.rows
        return (weights - slope).reveal()

    def regression(x: Any, y: Any) -> Any:
        model = LinearRegression().fit(x, y)
        coefficients, intercept = tc.reveal(model.coef_, model.intercept_)
        return np.concatenate([[intercept], coefficients])

    return {
        "mean": ({"x": x}, lambda x: x.mean(axis=0).reveal()),
        "moments": ({"z": z}, lambda z: solved((z.T @ z).reveal())),
        "regression": ({"x": x, "y": y}, regression),
        "step": ({"x": x, "label": (data.label, 1), "weights": (data.weights, 1)}, step),
        "comparison": ({"a": (data.pair[0], MOST), "b": (data.pair[1], MOST)}, lambda a, b: (a < b).sum().reveal()),
    }


def answered(
    net: tc.Session, data: Data, name: str, needs: dict[str, Any], ask: Callable[..., Any], repeats: int
) -> Answer:
    bring_s, shared = timed(lambda: {key: shared_array(net, *one) for key, one in needs.items()})
    ask(**shared)
    with net.measure() as measured:
        answer_s, found = timed(lambda: ask(**shared), repeats)
    return Answer(
        bring_s,
        sum(sent_bytes(values) for values, _ in needs.values()),
        answer_s,
        3 * measured.bytes_per_party / repeats,
        data.error(name, found),
        rounds=measured.rounds // repeats,
    )


def shared_array(net: tc.Session, values: Any, limit: int) -> Any:
    return net.share(values) if values.dtype == bool else net.share(values, bounds=(-limit, limit))


def sent_bytes(values: np.ndarray[Any, Any]) -> int:
    """What an owner sends to the three parties."""
    if values.dtype == bool:
        upload = split_bits(np.zeros(-(-values.size // 64), np.uint64))
    else:
        upload = split(np.zeros(values.size, np.uint64), ring(64))
    return sum(len(part) for party in PARTIES for part in upload.part(party))
