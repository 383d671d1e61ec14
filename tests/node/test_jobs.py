"""Jobs at three running nodes: sent, decided, run together, fetched, cancelled; and bundles that are not taken."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tercet as tc
from node.jobs_at_nodes import Asked, Recording, long_chain, total
from node.trio_nodes import NAMES, SCHEMA, Nodes, assert_ok, trio
from plan_trio import array_of
from tercet.errors import IntegrityError
from tercet.federation.api import DatasetInfo
from tercet.federation.api_admin import AuditPage
from tercet.federation.api_jobs import ExplainAnswer, JobInfo, JobList, KeptList, ReceiptList
from tercet.federation.bundle import make_bundle
from tercet.federation.model import fresh_id
from tercet.federation.orders import Refresh
from tercet.federation.statements import check_info
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.store.stamps import PROTOCOL

VALUES = list(range(1, 11))


@pytest.fixture(scope="module")
def data(nodes: Nodes) -> str:
    nodes.upload("jobs-data", [VALUES])
    return "jobs-data"


def audit(nodes: Nodes, name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    while True:
        after = entries[-1]["number"] if entries else 0
        answer = nodes.request(name, "operator", "GET", f"/v1/admin/audit?after={after}&limit=1000")
        page = AuditPage.model_validate(assert_ok(answer).json())
        entries += page.entries
        if page.next is None or not page.entries:
            return entries


def test_a_question_is_answered(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data).sent()
    assert asked.result() == sum(VALUES)
    info = asked.info("b")
    assert info.state == "done" and info.progress == 1.0 and info.error is None
    assert info.report is not None and info.report.seconds > 0
    assert info.outputs[0].nbytes > 64 and not info.outputs[0].kept
    assert info.decision.verdict == "accepted" and info.explanation
    assert info.started is not None and info.finished is not None and info.finished >= info.started


def test_nothing_waits_for_a_turn(nodes: Nodes, data: str) -> None:
    """News is told, not asked for every other second. How fast it is, a benchmark says."""
    Asked(nodes, data).sent().result()
    took = []
    for _ in range(5):
        asked = Asked(nodes, data)
        began = time.perf_counter()
        asked.sent().result()
        took.append(time.perf_counter() - began)
    assert min(took) < 1.9


def test_every_chain_has_the_job_and_the_heads_of_the_others(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data).sent()
    asked.result()
    for name in NAMES:
        mine = [entry for entry in audit(nodes, name) if entry["details"].get("job") == asked.job]
        kinds = [entry["kind"] for entry in mine]
        assert kinds[0] == "job" and kinds[-1] == "job done" and "job running" in kinds
        heads = [entry for entry in mine if entry["kind"] == "head"]
        assert len(heads) == 2
        job = mine[0]["details"]
        assert job["bundle"] == asked.info(name).bundle and job["verdict"] == "accepted" and job["purpose"] == "a test"


def test_the_dataset_has_a_receipt(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data).sent()
    asked.result()
    answer = nodes.request("c", "operator", "GET", f"/v1/datasets/{data}/receipts?limit=1000")
    receipts = ReceiptList.model_validate(assert_ok(answer).json()).receipts
    mine = next(receipt for receipt in receipts if receipt.job == asked.job)
    assert (mine.state, mine.columns, mine.numbers) == ("done", ["x"], 1)


def test_receipts_answers_and_audit_say_on_what_the_results_rest(nodes: Nodes, data: str) -> None:
    """Whose word, and which checks of the data: alike at all three nodes, signed with the end, in one form."""
    assumed = Asked(nodes, data, lambda x: tc.assume(x.sum(), (0, 100))).sent()
    plain = Asked(nodes, data).sent()
    (segment,) = DatasetInfo.model_validate_json(
        assert_ok(nodes.request("a", "owner", "GET", f"/v1/datasets/{data}")).content
    ).segments
    for asked, claimed in ((assumed, 1), (plain, 0)):
        asked.result()
        told = []
        for name in NAMES:
            info = asked.info(name)
            found = info.grounds[data]
            assert (found.version, found.outputs, found.claimed, found.claimed_outputs) == (
                1,
                1,
                claimed,
                [0][:claimed],
            )
            assert (found.checked, found.unchecked) == (1, 0)
            assert [(one.upload, one.protocol) for one in found.checks] == [(segment.upload, PROTOCOL)]
            # signed with the end: who takes the mark away is found
            card = nodes.federation.node(nodes.federation.party(name)).card
            check_info(info, card, nodes.federation, asked.job)
            better = found.model_copy(update={"claimed": 0, "claimed_outputs": [], "checked": 7})
            with pytest.raises(IntegrityError):
                changed = info.model_copy(update={"grounds": {data: better}})
                check_info(changed, card, nodes.federation, asked.job)
            answer = nodes.request(name, "owner", "GET", f"/v1/datasets/{data}/receipts?limit=1000")
            receipts = ReceiptList.model_validate(assert_ok(answer).json()).receipts
            (mine,) = [receipt for receipt in receipts if receipt.job == asked.job]
            assert mine.grounds == found
            written = {
                entry["kind"]: entry["details"]["grounds"]
                for entry in audit(nodes, name)
                if entry["details"].get("job") == asked.job and entry["kind"] in ("job", "job done")
            }
            expected = {"datasets": {data: found.model_dump(mode="json")}, "more": 0}
            assert written == {"job": expected, "job done": expected}
            # the same ranges as the commit's entry has
            (commit,) = [entry for entry in audit(nodes, name) if entry["details"].get("upload") == segment.upload]
            assert commit["details"]["checked"] == [found.checks[0].model_dump()]
            told.append(found)
        assert told == told[:1] * 3
        word = "bounds that are claimed and not proven"
        assert next(told[0].words()) == (f"the result rests on {word}" if claimed else f"no result rests on {word}")
        words = " ".join(told[0].words())
        assert f"1 upload were found in their ranges under sharing ({segment.upload[:8]} by check {PROTOCOL})" in words


def test_the_same_bundle_again_changes_nothing(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data).sent()
    asked.result()
    before = asked.info("a")
    for name, answer in asked.send().items():
        assert JobInfo.model_validate(assert_ok(answer).json()).state == "done", name
    assert asked.info("a") == before
    assert (
        len([entry for entry in audit(nodes, "a") if entry["kind"] == "job" and entry["details"]["job"] == asked.job])
        == 1
    )


def test_another_bundle_of_the_same_number_is_refused(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data).sent()
    asked.result()
    other = Asked(nodes, data, lambda x: (x + 1).sum(), job=asked.job)
    for answer in other.send().values():
        assert answer.status_code == 409 and "another job of this number" in answer.json()["message"]


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"created": time.time() - 200_000}, 409, "signed at"),
        ({"created": time.time() + 4000}, 409, "signed at"),
        ({"created": time.time() - 100, "seconds": 50}, 409, "deadline"),
    ],
    ids=["old", "from the future", "over"],
)
def test_what_is_not_for_here_and_now_is_not_taken(
    nodes: Nodes, data: str, change: dict[str, Any], status: int, word: str
) -> None:
    asked = Asked(nodes, data, **change)
    for answer in asked.send().values():
        assert answer.status_code == status and word in answer.json()["message"]
        assert answer.json()["node"] in NAMES


def test_a_forged_bundle_is_not_taken(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data)
    for place in (40, len(asked.bundle) // 2, len(asked.bundle) - 1):
        forged = bytearray(asked.bundle)
        forged[place] ^= 1
        for answer in asked.send("a", bundle=bytes(forged)).values():
            assert answer.status_code in (409, 422)
    for cut in (b"", asked.bundle[:10], asked.bundle[:-1], asked.bundle + b"x"):
        assert asked.send("a", bundle=cut)["a"].status_code == 422
    assert nodes.request("a", "analyst", "GET", f"/v1/jobs/{asked.job}").status_code == 404


def test_nobody_sends_another_ones_bundle(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data)
    answer = nodes.request("a", "operator", "POST", "/v1/jobs", content=asked.bundle)
    assert answer.status_code == 403


def test_single_rows_are_refused_by_name(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data, lambda x: x + 1)
    for name, answer in asked.send().items():
        body = answer.json()
        assert answer.status_code == 403 and body["error"] == "refused"
        assert body["node"] == name and body["rule"] and body["message"]
        assert asked.end(name).state == "refused"


def test_explaining_records_nothing(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data)
    before = len(audit(nodes, "a"))
    answer = nodes.request("a", "analyst", "POST", "/v1/explain", content=asked.bundle)
    told = ExplainAnswer.model_validate(assert_ok(answer).json())
    assert told.decision.verdict == "accepted" and told.text and told.disclosures[0].rows == len(VALUES)
    assert nodes.request("a", "analyst", "GET", f"/v1/jobs/{asked.job}").status_code == 404
    assert len(audit(nodes, "a")) == before
    single = Asked(nodes, data, lambda x: x + 1)
    told = ExplainAnswer.model_validate(
        assert_ok(nodes.request("a", "analyst", "POST", "/v1/explain", content=single.bundle)).json()
    )
    assert told.decision.verdict == "refused"


def test_who_sees_a_job(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data).sent()
    asked.result()
    path = f"/v1/jobs/{asked.job}"
    assert nodes.request("a", "operator", "GET", path).status_code == 200
    assert nodes.request("a", "owner", "GET", path).status_code == 403
    assert nodes.request("a", "analyst", "GET", path + "/results").status_code == 200
    assert nodes.request("a", "operator", "GET", path + "/results").status_code == 404
    assert nodes.request("a", "analyst", "GET", "/v1/jobs/" + "0" * 32).status_code == 404
    listed = JobList.model_validate(assert_ok(nodes.request("a", "analyst", "GET", "/v1/jobs?limit=1")).json())
    assert listed.jobs[0].job == asked.job and listed.next == asked.job
    older = JobList.model_validate(
        assert_ok(nodes.request("a", "analyst", "GET", f"/v1/jobs?limit=1&after={listed.next}")).json()
    )
    assert older.jobs[0].created < listed.jobs[0].created


def test_several_at_a_time(nodes: Nodes, data: str) -> None:
    questions = [Asked(nodes, data, lambda x, k=k: (x * k).sum()).sent() for k in range(1, 7)]
    assert [asked.result() for asked in questions] == [k * sum(VALUES) for k in range(1, 7)]


def test_a_running_job_is_cancelled_everywhere(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data, long_chain).sent()
    asked.runs("c")
    assert nodes.request("a", "analyst", "GET", f"/v1/jobs/{asked.job}/results").status_code == 409
    assert nodes.request("c", "owner", "POST", f"/v1/jobs/{asked.job}/cancel").status_code == 403
    began = time.monotonic()
    assert_ok(nodes.request("c", "analyst", "POST", f"/v1/jobs/{asked.job}/cancel"))
    for info in asked.ends().values():
        assert info.state == "cancelled" and info.error is not None and "analyst cancelled" in info.error.message
    assert time.monotonic() - began < 5
    assert Asked(nodes, data).sent().result() == sum(VALUES)


def test_the_deadline_ends_a_running_job(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data, long_chain, seconds=2).sent()
    for info in asked.ends().values():
        assert info.state == "failed" and info.error is not None
    assert any(info.error is not None and info.error.error == "expired" for info in asked.ends().values())
    assert Asked(nodes, data).sent().result() == sum(VALUES)


def test_a_job_that_one_node_never_got_expires_by_name(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data, seconds=3)
    asked.send("a", "b")
    found = {name: asked.end(name) for name in ("a", "b")}
    assert {info.state for info in found.values()} == {"failed"}
    error = found["a"].error
    assert error is not None and error.error == "expired" and "c had not accepted it" in error.message


def test_another_job_at_one_node_is_named(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data)
    other = Asked(nodes, data, lambda x: (x + 1).sum(), job=asked.job)
    asked.send("a", "b")
    other.send("c")
    info = asked.end("a")
    assert info.state == "failed" and info.error is not None
    assert "c holds another job" in info.error.message


def test_a_result_is_kept_and_asked_about(nodes: Nodes, data: str) -> None:
    asked = Asked(nodes, data, total, keep="sum-of-x").sent()
    for info in asked.ends().values():
        assert info.state == "done" and info.outputs[0].kept == "sum-of-x"
    listed = [
        KeptList.model_validate(assert_ok(nodes.request(name, "analyst", "GET", "/v1/kept")).json()).kept
        for name in NAMES
    ]
    assert [one.name for one in listed[0]] == [one.name for one in listed[2]]
    assert "sum-of-x" in [one.name for one in listed[1]]
    for answer in Asked(nodes, data, total, keep="sum-of-x").send().values():
        assert answer.status_code == 422 and "kept already" in answer.json()["message"]
    again = Asked(nodes, data, lambda x: x * 2, reads="sum-of-x").sent()
    assert again.result() == 2 * sum(VALUES)


def test_two_jobs_that_keep_under_one_name(nodes: Nodes, data: str) -> None:
    """A name stands for files: the second is told, at each node that has the first."""
    first, second = (Asked(nodes, data, lambda x, k=k: x.sum() + k, keep="twice") for k in range(2))  # type: ignore[misc]
    assert_ok(first.send("c")["c"])
    answer = second.send("c")["c"]
    assert answer.status_code == 409 and answer.json()["error"] == "busy"
    assert "is to keep twice" in answer.json()["message"]
    assert [e["kind"] for e in audit(nodes, "c") if e["details"].get("job") == second.job] == ["job turned away"]
    assert_ok(Asked(nodes, data, total, keep="once").send("c")["c"])
    assert_ok(nodes.request("c", "analyst", "POST", f"/v1/jobs/{first.job}/cancel"))
    assert_ok(second.send("c")["c"])
    assert_ok(nodes.request("c", "analyst", "POST", f"/v1/jobs/{second.job}/cancel"))


def test_a_race_for_one_name_never_mixes(nodes: Nodes, data: str) -> None:
    for turn in range(4):
        name = f"race-{turn}"
        both = [Asked(nodes, data, lambda x, k=k: x.sum() + k, keep=name) for k in range(2)]  # type: ignore[misc]
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda asked: asked.send(), both))
        done = []
        for asked, told in zip(both, answers, strict=True):
            if {answer.status_code for answer in told.values()} == {202}:
                done.append(asked)
            else:
                assert {answer.status_code for answer in told.values()} <= {202, 409}
                for node in NAMES:
                    nodes.request(node, "analyst", "POST", f"/v1/jobs/{asked.job}/cancel")
        assert len(done) < 2
        for asked in done:
            assert {info.state for info in asked.ends().values()} == {"done"}
            assert Asked(nodes, data, lambda x: x * 1, reads=name).sent().result() == sum(VALUES) + both.index(asked)


def test_a_refresh_changes_shares_and_no_value(nodes: Nodes, data: str) -> None:
    nodes.upload("to-refresh", [list(range(64)), VALUES])
    before = nodes.versions("to-refresh")
    files = stored(nodes)
    order = nodes.order("operator", Refresh(dataset="to-refresh"))
    answer = nodes.request("a", "operator", "POST", "/v1/refreshes", json=order)
    assert assert_ok(answer).json()["state"] == "committed"
    nodes.wait_for(lambda: len(set(nodes.versions("to-refresh"))) == 1)
    after = nodes.versions("to-refresh")
    assert after != before and after[0] is not None and before[0] is not None and after[0][2] == before[0][2]
    assert files != stored(nodes)
    assert Asked(nodes, "to-refresh").sent().result() == sum(range(64)) + sum(VALUES)
    again = nodes.request("a", "operator", "POST", "/v1/refreshes", json=order)
    assert assert_ok(again).json()["state"] == "committed" and nodes.versions("to-refresh") == after


def stored(nodes: Nodes) -> dict[str, set[str]]:
    return {
        name: {str(path.relative_to(nodes.folder)) for path in (nodes.folder / name).rglob("*") if path.is_file()}
        for name in NAMES
    }


def test_a_question_is_streamed_if_the_analyst_says_so(nodes: Nodes) -> None:
    chunks = [list(range(128)) * 32, list(range(128)) * 32, list(range(100))]
    nodes.upload("long", chunks)
    values = [value for chunk in chunks for value in chunk]
    for rows in (4096, 5000, 8291):
        asked = Asked(nodes, "long", lambda x: (x * 3 - (x < 50)).sum(), partition_rows=rows)
        told = ExplainAnswer.model_validate(
            assert_ok(nodes.request("a", "analyst", "POST", "/v1/explain", content=asked.bundle)).json()
        )
        assert told.partition_rows == rows
        assert asked.sent().result() == sum(3 * v - (v < 50) for v in values)


def test_a_plan_with_very_many_outputs_is_told_in_short(nodes: Nodes, data: str) -> None:
    """Reasons go into answers and into the audit, whose entries are bounded; also those of a refusal."""
    asked = Asked(nodes, data)
    (ref,) = asked.header.inputs
    for question, code in ((total, 202), (lambda x: x, 403)):
        runner: Any = Recording()
        x = array_of(runner, runner.graph.input(ref.handle_bytes, SCHEMA.type("x", len(VALUES))))
        wanted = [Wanted((question(x) + number).undivided, OutputKind.REVEAL, b"") for number in range(1500)]
        header = asked.header.model_copy(update={"job": fresh_id()})
        bundle = make_bundle(asked.member, header, compile_plan(wanted, LAN).to_bytes())
        answer = asked.send("b", bundle=bundle)["b"]
        assert answer.status_code == code, answer.text
        assert " more" in answer.text and len(answer.content) < 300_000
        entry = next(one for one in audit(nodes, "b") if one["details"].get("job") == header.job)
        assert entry["kind"] == "job" and entry["details"]["reasons"][-1].startswith("and ")
        nodes.request("b", "analyst", "POST", f"/v1/jobs/{header.job}/cancel")


def test_one_analyst_does_not_fill_the_queue(nodes: Nodes, data: str) -> None:
    """Jobs that only one node knows wait there until their deadline."""
    sent = [Asked(nodes, data) for _ in range(52)]
    answers = [asked.send("c")["c"] for asked in sent]
    assert {answer.status_code for answer in answers[-2:]} == {429}
    assert "of one analyst" in answers[-1].json()["message"]
    assert Asked(nodes, data, person="both").send("c")["c"].status_code == 202
    for asked, answer in zip(sent, answers, strict=True):
        if answer.status_code == 202:
            assert_ok(nodes.request("c", "analyst", "POST", f"/v1/jobs/{asked.job}/cancel"))


def test_each_way_in_which_a_plan_reads_a_column_is_checked(nodes: Nodes) -> None:
    """A reading with the true bounds, behind it, hid one with false bounds, which then counted as proven."""
    nodes.upload("two-readings", [[100, 200, 300, 400, 500, 600, 700]])
    asked = Asked(nodes, "two-readings")
    column, *rest = asked.plan.operations
    assert column.is_input and all(not op.is_input for op in rest)
    false = replace(column, type=column.type.with_bounds(0, 1))
    after = [replace(op, inputs=tuple(value + 1 for value in op.inputs)) for op in rest]
    outputs = [replace(output, value=output.value + 1) for output in asked.plan.outputs]
    asked.plan = Plan((false, column, *after), tuple(outputs))
    assert Plan.from_bytes(asked.plan.to_bytes()).inputs() == [(one.data, one.type) for one in (false, column)]
    asked.bundle = make_bundle(asked.member, asked.header, asked.plan.to_bytes())
    for answer in asked.send().values():
        assert answer.status_code == 422 and "the plan reads it as" in answer.text, answer.text


def test_a_refresh_that_is_due_begins_by_itself(tmp_path: Path) -> None:
    with trio(tmp_path) as nodes:
        nodes.upload("kept-fresh", [list(range(10))])
        before = nodes.versions("kept-fresh")
        nodes.terminate()
        settings = tmp_path / NAMES[0] / "node.toml"
        settings.write_text(settings.read_text().replace("[refresh]", "[refresh]\nevery_hours = 0.0001"))
        nodes.start()
        nodes.wait_for(lambda: all(after not in before for after in nodes.versions("kept-fresh")))
        nodes.wait_for(lambda: len(set(nodes.versions("kept-fresh"))) == 1)
        assert Asked(nodes, "kept-fresh").sent().result() == 45
