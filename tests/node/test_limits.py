"""Limits on what callers ask: token buckets, and turns at reading bundles, so that nobody waits for somebody else's."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.jobs_at_nodes import Asked
from node.trio_nodes import Nodes, assert_ok
from tercet.array.core import SecretArray
from tercet.codec import Writer
from tercet.federation.bundle import make_bundle
from tercet.federation.refusals import HttpError
from tercet.node.http.limits import WAITING_OF_ONE, Buckets, Turns
from tercet.plan.plan import MAGIC, VERSION


def test_a_burst_then_the_rate() -> None:
    buckets = Buckets(2.0, burst_s=5.0)
    assert [buckets.take("a", 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert buckets.take("b", 0.0)
    assert buckets.take("a", 0.5)
    assert not buckets.take("a", 0.5)


@given(st.lists(st.floats(0, 3), max_size=200), st.floats(0.1, 20))
def test_never_more_than_burst_and_rate(pauses: list[float], rate: float) -> None:
    buckets = Buckets(rate, burst_s=5.0)
    now, taken = 0.0, 0
    for pause in pauses:
        now += pause
        taken += buckets.take("a", now)
    assert taken <= max(1.0, 5 * rate) + rate * now + 1e-6


def test_memory_is_bounded() -> None:
    buckets = Buckets(1.0)
    for number in range(20_000):
        buckets.take(str(number), 0.0)
    assert len(buckets) <= 10_000


def test_one_person_waits_for_himself_and_not_for_others() -> None:
    async def scene() -> list[str]:
        turns, done = Turns(2, 1), []
        free = asyncio.Event()

        async def read(who: str, name: str) -> None:
            async with turns.take(who):
                done.append(f"{name} begins")
                if name == "first":
                    await free.wait()
            done.append(f"{name} ends")

        tasks = [asyncio.create_task(read("ada", name)) for name in ("first", "second")]
        await asyncio.sleep(0)
        await asyncio.wait_for(read("bob", "other"), 5)
        free.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        return done

    found = asyncio.run(scene())
    assert found.index("other ends") < found.index("first ends") < found.index("second begins")


def test_people_come_one_after_the_other_however_much_each_has_waiting() -> None:
    async def scene() -> list[str]:
        turns, done = Turns(1, 1), []

        async def read(who: str) -> None:
            async with turns.take(who):
                done.append(who)
                await asyncio.sleep(0)

        many = [asyncio.create_task(read("ada")) for _ in range(6)]
        await asyncio.sleep(0)
        few = [asyncio.create_task(read(who)) for who in ("bob", "cleo", "bob")]
        await asyncio.wait_for(asyncio.gather(*many, *few), 5)
        return done

    found = asyncio.run(scene())
    assert found[:3] == ["ada", "ada", "bob"] or found[:3] == ["ada", "bob", "cleo"]
    assert found.index("cleo") <= 3 and "bob" not in found[6:]


def test_too_many_are_turned_away_and_a_turn_comes_back_however_it_ends() -> None:
    async def scene() -> None:
        turns = Turns(2, 1, patience_s=0.05)
        async with turns.take("ada"):
            with pytest.raises(HttpError, match="busy reading"):
                await turns.take("ada").__aenter__()
            waiting = [asyncio.create_task(turns.take("ada").__aenter__()) for _ in range(WAITING_OF_ONE)]
            await asyncio.sleep(0)
            with pytest.raises(HttpError, match="bundles of yours"):
                await turns.take("ada").__aenter__()
            waiting[0].cancel()
            found = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(one) for one in found] == [asyncio.CancelledError] + [HttpError] * (WAITING_OF_ONE - 1)
            async with turns.take("bob"):
                with pytest.raises(HttpError, match="busy reading"):
                    await turns.take("cleo").__aenter__()
        with pytest.raises(ZeroDivisionError):
            async with turns.take("ada"):
                raise ZeroDivisionError
        async with turns.take("ada"), turns.take("bob"):
            pass

    asyncio.run(scene())


def large(x: SecretArray) -> SecretArray:
    """A plan that takes a node the better part of a second to look at."""
    for step in range(2500):
        x = x + step
    return x.sum()


def test_many_large_bundles_of_one_person_leave_a_node_responsive(nodes: Nodes) -> None:
    nodes.upload("turns", [list(range(1, 11))])
    asked = Asked(nodes, "turns", large)

    def explain() -> httpx.Response:
        return nodes.request("b", "analyst", "POST", "/v1/explain", content=asked.bundle)

    with ThreadPoolExecutor(24) as pool:
        sent = [pool.submit(explain) for _ in range(24)]
        waits, first = [], time.monotonic()
        while not all(one.done() for one in sent):
            began = time.monotonic()
            assert_ok(nodes.request("b", "operator", "GET", "/v1/admin/jobs?limit=1"))
            waits.append(time.monotonic() - began)
            time.sleep(0.05)
        whole = time.monotonic() - first
        answers = [one.result() for one in sent]
    assert {answer.status_code for answer in answers} == {200, 429}
    for answer in answers:
        if answer.status_code == 429:
            assert answer.json()["error"] == "too-many" and int(answer.headers["retry-after"]) > 0
    # a part of what all bundles take, however busy the machine is
    assert len(waits) > 5 and sorted(waits)[len(waits) // 2] < whole / 5
    # and the next one is taken
    assert_ok(explain())


def test_a_plan_over_the_limits_is_refused_before_it_is_decoded(nodes: Nodes) -> None:
    """5 MB of plan were decoded for 39 s before a limit was compared."""
    nodes.upload("limits", [list(range(10))])
    asked = Asked(nodes, "limits")
    head = Writer().raw(MAGIC).count(VERSION).count(200_000).count(200_000).take()
    bundle = make_bundle(asked.member, asked.header, head + bytes(5 << 20))
    for target in ("/v1/explain", "/v1/jobs"):
        began = time.monotonic()
        answer = nodes.request("b", "analyst", "POST", target, content=bundle)
        assert answer.status_code == 422 and "200,000 operations, and 100,000 are allowed here" in answer.text
        assert time.monotonic() - began < 3
