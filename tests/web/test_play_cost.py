"""The playground's later chapters without a browser: what they tell is what real parties and nodes did."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import tercet.web.play
from tercet.node.processes import Process
from tercet.web.local import SESSION_HEADER, Serving
from tercet.web.play import own
from tercet.web.play.cost import EPSILONS, TASKS, noise, table
from tercet.web.play.malice import INCOMES, LIMIT
from tercet.web.play.site import play_site

pytestmark = pytest.mark.nodes
STATIC = Path(tercet.web.play.__file__).parent / "static"
EXAMPLES = json.loads((STATIC / "examples.json").read_text())
SLOW = "logistic"
"""Takes thousands of rounds; tests/examples runs as much."""


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    with play_site() as site, Serving(site) as made:
        yield made


@pytest.fixture(scope="module")
def client(serving: Serving) -> Iterator[httpx.Client]:
    base = f"http://127.0.0.1:{serving.port}"
    with httpx.Client(base_url=base, headers={"origin": base}, trust_env=False, timeout=200) as made:
        link = serving.link().partition("#")[2]
        made.headers[SESSION_HEADER] = made.post("/session", json={"link": link}).json()["session"]
        yield made


def posted(client: httpx.Client, path: str, body: Any) -> Any:
    answer = client.post(f"/api/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


# -- what it costs


@pytest.mark.parametrize("task", TASKS)
def test_a_cost_is_that_of_the_run(client: httpx.Client, task: str) -> None:
    found = posted(client, "cost", {"task": task, "rows": 100})
    assert found["answer"] == pytest.approx(found["plain"], rel=1e-3, abs=1e-3)
    assert found["rounds"] <= found["picture"]["rounds"] and found["seconds"] > 0 < found["plain_seconds"]
    lan, wan, continents = (found["elsewhere"][name] for name in ("lan", "wan", "continents"))
    assert lan <= wan <= continents
    assert (not found["noise"]) == (task == "regression")


def test_noise_is_by_the_formula() -> None:
    (low, middle, high) = noise(2.0)
    assert [one["epsilon"] for one in (low, middle, high)] == list(EPSILONS)
    assert (low["error"], middle["error"], high["error"]) == (20.0, 2.0, 0.2)
    assert middle["most"] == pytest.approx(2 * 2.99573, rel=1e-5)


def test_one_person_changes_an_answer_by_the_sensitivity_at_most() -> None:
    people = table(100)
    for name in ("mean", "count"):
        task = TASKS[name]
        assert task.sensitivity is not None
        for income in (0.0, 200_000.0):
            other = people.copy()
            other[17, 3] = income
            assert abs(task.plain(other) - task.plain(people))[0] <= task.sensitivity(100)


@pytest.mark.parametrize("body", [{"task": "mean", "rows": 101}, {"task": "other", "rows": 100}, {"task": "mean"}])
def test_other_costs_are_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    assert client.post("/api/cost", json=body).status_code == 422


def test_figures_have_sources() -> None:
    costs = json.loads((STATIC / "costs.json").read_text())
    assert costs["prices"]["source"] and costs["prices"]["date"] and costs["prices"]["pages"]
    for one in costs["encrypted"]:
        assert one["task"] in TASKS and one["machine"] and one["date"] and one["source"] and one["library"]


# -- malice


def test_lies_are_caught_wrong_or_harmless(client: httpx.Client) -> None:
    honest = client.get("/api/malice/honest").json()
    true = sum(INCOMES), sum(income > LIMIT for income in INCOMES)
    assert (honest["sum"], honest["above"]) == true
    found: dict[str, int] = {}
    for server, messages in honest["messages"].items():
        assert messages[-1] == {"to": 0, "for": "answer", "bytes": messages[-1]["bytes"]}
        for at in range(len(messages)):
            said = posted(client, "malice/lie", {"server": int(server), "message": at})
            found[said["outcome"]] = found.get(said["outcome"], 0) + 1
            if said["outcome"] == "caught":
                assert "different copies" in said["said"] and said["sum"] is None
            else:
                assert ((said["sum"], said["above"]) == true) == (said["outcome"] == "harmless")
    # a server's own part of an answer is held by nobody else
    assert found["wrong"] >= 3 and found["caught"] >= 3


def test_a_lie_in_a_message_that_is_not_sent_is_refused(client: httpx.Client) -> None:
    answer = client.post("/api/malice/lie", json={"server": 1, "message": 999})
    assert answer.status_code == 422 and "sends no message" in answer.json()["message"]


@pytest.mark.parametrize("node", [1, 3])
@pytest.mark.parametrize(
    ("way", "alone", "said"),
    [
        ("edit", True, "was changed"),
        ("remove", True, "stands where"),
        ("cut", False, "entries were removed"),
        ("rewrite", False, "history was rewritten"),
    ],
)
def test_a_forged_audit_is_caught(client: httpx.Client, node: int, way: str, alone: bool, said: str) -> None:
    found = posted(client, "malice/forge", {"node": node, "way": way})
    assert bool(found["alone"]) == alone
    assert any(said in line and line.startswith(found["node"]) for line in found["together"]), found["together"]


def test_the_analyst_asks_once_whatever_is_looked_at(client: httpx.Client) -> None:
    def entries() -> list[int]:
        return [len(node["entries"]) for node in client.get("/api/malice/audit").json()["nodes"]]

    first = entries()
    posted(client, "malice/collude", [1])
    assert entries() == first


def test_two_disks_have_it_all_and_one_has_nothing(client: httpx.Client) -> None:
    for together in ([1, 2], [2, 3], [1, 3]):
        found = posted(client, "malice/collude", together)
        assert found["complete"] and found["seen"] == [list(INCOMES)]
    assert found["mean"] == sum(INCOMES) / len(INCOMES) and found["rule"] == "trial"
    for alone in (1, 2, 3):
        found = posted(client, "malice/collude", [alone])
        assert not found["complete"] and len(found["seen"]) == 2
        assert not {value for part in found["seen"] for value in part} & set(INCOMES)


# -- a person's own


def lines(client: httpx.Client, code: str, *, stops: bool = False) -> list[dict[str, Any]]:
    answer = client.post("/api/own/python", json={"code": code, "stops": stops})
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


def printed(told: list[dict[str, Any]]) -> str:
    return "".join(one["text"] for one in told if one["kind"] == "printed")


def test_code_runs_with_its_plans_and_messages(client: httpx.Client) -> None:
    told = lines(client, "x = net.share([1, 2, 3], bounds=(0, 9))\nprint('hello')\n(x * x).sum().reveal()")
    kinds = [one["kind"] for one in told if one["kind"] != "printed"]
    assert kinds == ["plan", "ran", "end"] and told[-1]["kind"] in ("end", "printed")
    assert printed(told) == "hello\nnp.int64(14)\n"
    (plan,) = (one["picture"] for one in told if one["kind"] == "plan")
    (ran,) = (one for one in told if one["kind"] == "ran")
    assert plan["rounds"] == ran["rounds"] == 1
    between = [one for one in ran["messages"] if one["to"]]
    assert sum(one["bytes"] for one in between) == pytest.approx(3 * ran["bytes_per_party"])


@pytest.mark.parametrize(
    ("code", "message", "line"),
    [
        ("x = 1\ny = x / 0", "ZeroDivisionError", 2),
        ("x = (", "SyntaxError", 1),
        ("net.share([1])\nnet.share([9], bounds=(0, 3))", "InputError", 2),
        ("import os\nos._exit(3)", "ended with status 3", None),
        ("input()", "EOFError", 1),
    ],
)
def test_errors_name_the_line(client: httpx.Client, code: str, message: str, line: int | None) -> None:
    errors = [one for one in lines(client, code) if one["kind"] == "error"]
    assert len(errors) == 1 and message in errors[0]["message"] and errors[0]["line"] == line


def test_much_output_is_cut(client: httpx.Client) -> None:
    text = printed(lines(client, "print('x' * 300_000)"))
    assert 100_000 < len(text) < 101_000 and "not shown" in text


def test_code_waits_and_is_stopped(client: httpx.Client) -> None:
    code = "net.share([1], bounds=(0, 9)).sum().reveal()\nprint('once')\nnet.share([2], bounds=(0, 9)).sum().reveal()"
    seen = []
    with client.stream("POST", "/api/own/python", json={"code": code, "stops": True}) as answer:
        for line in answer.iter_lines():
            told = json.loads(line)
            seen.append(told["kind"])
            if seen.count("plan") == 1 and told["kind"] == "plan":
                posted(client, "own/go", {})
            elif told["kind"] == "plan":
                posted(client, "own/stop", {})
    assert seen.count("plan") == 2 and seen.count("ran") == 1 and "end" not in seen
    refused = client.post("/api/own/go", json={})
    assert refused.status_code == 422 and "no code is running" in refused.json()["message"]


def test_code_ends_with_its_time(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "RUN_S", 1.0)
    (error,) = lines(client, "while True: pass")
    assert error["message"] == "ended after 1 seconds"


def test_code_does_not_begin_once_its_server_has_ended() -> None:
    asked = json.dumps({"code": "print('here')", "stops": False})
    with subprocess.Popen(
        [sys.executable, "-c", own._CODE, "1", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as cell:
        told, _ = cell.communicate(f"{asked}\n", timeout=60)
    assert (cell.returncode, told) == (1, "")


def test_code_that_waits_for_nobody_ends(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "WAIT_S", 3.0)
    body = {"code": "net.share([1]).sum().reveal()", "stops": True}
    with client.stream("POST", "/api/own/python", json=body) as answer:
        told = [json.loads(line) for line in answer.iter_lines()]
    assert told[-1]["message"] == "ended after 0.05 minutes in which nobody let the plan run"


def test_code_ends_when_its_page_goes(client: httpx.Client) -> None:
    code = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(1000)"
    with client.stream("POST", "/api/own/python", json={"code": code, "stops": False}) as answer:
        process = Process.of(int(json.loads(next(answer.iter_lines()))["text"]))
        assert process is not None
    until = time.monotonic() + 30
    while process.alive and time.monotonic() < until:
        time.sleep(0.1)
    assert not process.alive


@pytest.mark.parametrize("kind", ["ran", "plan"])
def test_code_that_tells_much_is_ended_in_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "RUN_S", 0.3)

    async def follow() -> list[own.Told]:
        told: asyncio.Queue[own.Told | None] = asyncio.Queue()

        async def tell() -> None:
            while True:
                told.put_nowait({"kind": kind})
                await asyncio.sleep(0.01)

        process = await asyncio.create_subprocess_exec("sleep", "100", start_new_session=True)
        cell = own.CodeCell()
        cell._may_run()
        telling = asyncio.create_task(tell())
        async with asyncio.timeout(20):
            found = [one async for one in cell._until_end(process, told, 2, stops=False)]
        telling.cancel()
        await process.wait()
        return found

    *before, last = asyncio.run(follow())
    assert before and last["kind"] == "error" and "ended after" in last["message"]


def test_code_ends_with_its_server() -> None:
    server = """
import asyncio
from tercet.web.play.own import CodeAsked, CodeCell
async def main():
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(300)"
    async for told in CodeCell().run(CodeAsked(code=code, stops=False)):
        print(told["text"], flush=True)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        number = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 30
    while Process.of(number) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert Process.of(number) is None


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one["key"] != SLOW], ids=lambda one: one["key"])
def test_examples_run(client: httpx.Client, example: dict[str, str]) -> None:
    told = lines(client, example["code"])
    assert [one for one in told if one["kind"] == "error"] == []
    assert printed(told).strip() and any(one["kind"] == "ran" for one in told)


def test_every_kind_of_data_has_an_example() -> None:
    assert {"card", "income", "fingerprint", "anxiety"} <= {one["key"] for one in EXAMPLES}
    groups = json.loads((STATIC / "texts.json").read_text())["own"]["groups"]
    assert {one["group"] for one in EXAMPLES} == set(groups)


def test_sql_on_the_table_that_is_there(client: httpx.Client) -> None:
    sql = "SELECT AVG(income), COUNT(*) FROM people WHERE age > 40"
    seen = posted(client, "own/explain", {"sql": sql})
    assert {one["name"] for one in seen["inputs"]} == {"people.age", "people.income"}
    assert [one["verdict"] for one in seen["decisions"]] == ["accepted"] * 3
    answer = posted(client, "own/sql", {"sql": sql})
    people = table(1_000).round(1)
    older = people[people[:, 0] > 40]
    mean, count = answer["rows"][0]
    assert int(count) == len(older) and float(mean.replace(",", "")) == pytest.approx(older[:, 3].mean(), rel=1e-4)
    assert len(answer["sent"]) == 3 and sum(one["bytes"] for one in answer["sent"]) > 0


def test_a_table_of_ones_own(client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = "\n".join(f"{20 + at},{at % 22}" for at in range(30))
    answer = client.post("/api/own/table", content=f"age,gad7\n{rows}\n".encode())
    assert answer.status_code == 200, answer.text
    assert not list(tmp_path.rglob("*.tercet-upload"))
    added = answer.json()
    assert added["rows"] == 30 and [one["name"] for one in added["columns"]] == ["age", "gad7"]
    found = posted(client, "own/sql", {"sql": f"SELECT SUM(gad7) FROM {added['dataset']}"})
    assert found["rows"] == [[str(sum(at % 22 for at in range(30)))]]
    refused = client.post("/api/own/sql", json={"sql": "DROP TABLE people"})
    assert refused.status_code == 422 and refused.json()["message"]


def test_a_table_that_is_none_is_refused(client: httpx.Client) -> None:
    answer = client.post("/api/own/table", content=b"")
    assert answer.status_code == 422 and answer.json()["message"]
