"""Chapter "Split", and "Add and subtract": what an owner splits, what each server has, and what it does alone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tercet.client.session import Session
from tercet.errors import PlanError
from tercet.protocols.scope import Body, Scope
from tercet.ring import RING64
from tercet.sharing import PARTIES, Share
from tercet.web.play.parties import Held, ShownParties, as_numbers, put_together, share_out

_LARGEST = (1 << 63) - 1
_BINS = 16
Number = Annotated[int, Field(ge=-_LARGEST - 1, le=_LARGEST)]
Modest = Annotated[int, Field(ge=-3_000_000_000, le=3_000_000_000)]
"""A product of two stays within the clock of 2^64."""


class FromPage(BaseModel):
    """What a page of the playground sends: known fields only."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class OneNumber(FromPage):
    number: Number


class ManyTimes(OneNumber):
    count: Annotated[int, Field(ge=100, le=20_000)]


class AloneAsked(FromPage):
    a: Modest
    b: Modest
    operation: Literal["add", "subtract", "times"]


class GrowthAsked(FromPage):
    bound: Annotated[int, Field(ge=1, le=1_000_000_000_000)]
    factors: Annotated[int, Field(ge=1, le=6)]


def shown(held: Held) -> list[list[str]]:
    """Of one number: what each of the three servers has, its own component and the next one."""
    return [[*as_numbers(held[party].own), *as_numbers(held[party].next)] for party in PARTIES]


def split_routes(parties: ShownParties, computing: Session) -> APIRouter:
    """Routes of both chapters, below /api/."""
    routes = APIRouter(prefix="/api")

    @routes.post("/split")
    def split(asked: OneNumber) -> dict[str, Any]:
        held = share_out([asked.number])
        return {"servers": shown(held), "together": str(put_together(held)[0])}

    @routes.post("/split/many")
    def split_many(asked: ManyTimes) -> dict[str, Any]:
        """How often each component of that many splittings lies in each sixteenth of the clock."""
        held = share_out([asked.number] * asked.count)
        edges = np.arange(_BINS + 1) / _BINS
        counts = [np.histogram(held[party].own / 2.0**64, edges)[0].tolist() for party in PARTIES]
        return {"counts": counts}

    @routes.post("/alone")
    def alone(asked: AloneAsked) -> dict[str, Any]:
        a, b = share_out([asked.a]), share_out([asked.b])

        def body(scope: Scope, mine: Share, other: Share) -> Body[Share]:
            yield from ()
            if asked.operation == "times":
                return Share(RING64, RING64.scale(mine.own, asked.b), RING64.scale(mine.next, asked.b))
            work = RING64.add if asked.operation == "add" else RING64.sub
            return Share(RING64, work(mine.own, other.own), work(mine.next, other.next))

        done = parties.run(asked.operation, body, a, b)
        return {
            "a": shown(a),
            "b": shown(b),
            "result": shown(done.results),
            "together": str(put_together(done.results)[0]),
            "messages": len(done.messages),
        }

    @routes.post("/growth")
    def growth(asked: GrowthAsked) -> dict[str, Any]:
        """A product of several numbers of the same bounds, as the engine plans it: on which clock, or why not."""
        words = once = RING64.from_ints([asked.bound])
        for _ in range(asked.factors - 1):
            words = RING64.mul(words, once)
        facts = {"most": str(asked.bound**asked.factors), "wrapped": str(int(RING64.to_ints(words)[0]))}
        factors = [computing.share(np.array([asked.bound]), bounds=(0, asked.bound)) for _ in range(asked.factors)]
        product = factors[0]
        try:
            for factor in factors[1:]:
                product = product * factor
            return {**facts, "ring": product.explain().ring, "together": str(int(product.reveal()[0]))}
        except PlanError as error:
            return {**facts, "refused": error.message}

    return routes
