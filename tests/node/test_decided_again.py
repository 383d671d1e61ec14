"""A job that waited is held against the policy in force when it starts; an approval is good for its rule only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.jobs_at_nodes import Asked
from node.test_job_faults import policy
from node.trio_nodes import Nodes, assert_ok, make
from node.zygote import Zygote
from tercet.federation.api_admin import AuditPage, PolicyInfo

VALUES = list(range(1, 11))
RULE = '[[rules]]\nname = "held"\n'


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[Nodes]:
    """Node c holds jobs on `held`."""
    made = make(tmp_path_factory.mktemp("again"), policy, lanes=1, zygote=zygote)
    try:
        text = text_of(made, "c").read_text()
        text_of(made, "c").write_text(text.replace('datasets = ["held"]\n', 'datasets = ["held"]\nhold = true\n'))
        made.start()
        for dataset in ("free", "held"):
            made.upload(dataset, [VALUES])
        yield made
    finally:
        made.close()


def text_of(nodes: Nodes, name: str) -> Path:
    return nodes.folder / name / "policy.toml"


@pytest.fixture
def changed(nodes: Nodes) -> Iterator[Changed]:
    found = Changed(nodes)
    yield found
    found.undo()


class Changed:
    """Policies that a test changes, put back at its end."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._before: dict[str, str] = {}

    def at(self, name: str, old: str, new: str) -> None:
        path = text_of(self._nodes, name)
        text = path.read_text()
        self._before.setdefault(name, text)
        assert old in text
        self._write(name, text.replace(old, new))

    def undo(self) -> None:
        for name, text in self._before.items():
            self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        text_of(self._nodes, name).write_text(text)
        answer = self._nodes.request(name, "operator", "POST", "/v1/admin/policy/reload")
        assert not PolicyInfo.model_validate(assert_ok(answer).json()).error


def approve(nodes: Nodes, asked: Asked) -> None:
    assert_ok(nodes.request("c", "operator", "POST", f"/v1/admin/jobs/{asked.job}/approve", json={"reason": ""}))


def check_refused(asked: Asked, node: str, rule: str, words: str) -> None:
    for info in asked.ends().values():
        assert info.state == "refused" and info.error is not None, info
        assert (info.error.node, info.error.rule) == (node, rule) and words in info.error.message


def test_a_policy_that_says_the_same_lets_it_run(nodes: Nodes, changed: Changed) -> None:
    asked = Asked(nodes, "held").sent()
    changed.at("c", "version = 1\n", "version = 1\n# another text\n")
    approve(nodes, asked)
    assert asked.result() == sum(VALUES)
    page = AuditPage.model_validate(
        assert_ok(nodes.request("c", "operator", "GET", "/v1/admin/audit?limit=1000")).json()
    )
    kinds = [entry["kind"] for entry in page.entries if entry["details"].get("job") == asked.job]
    assert "job asked again" in kinds and kinds[-1] == "job done"


def test_an_approval_does_not_stand_for_the_other_conditions_of_its_rule(nodes: Nodes, changed: Changed) -> None:
    asked = Asked(nodes, "held").sent()
    changed.at("c", 'datasets = ["held"]\nhold = true\nmin_rows = 5', 'datasets = ["held"]\nhold = true\nmin_rows = 50')
    approve(nodes, asked)
    check_refused(asked, "c", "held", "at least 50 rows")


def test_an_approval_does_not_stand_for_another_rule_that_holds(nodes: Nodes, changed: Changed) -> None:
    asked = Asked(nodes, "held").sent()
    changed.at("c", RULE, '[[rules]]\nname = "held-by-another"\n')
    approve(nodes, asked)
    check_refused(asked, "c", "held-by-another", "nobody has approved")


def test_a_person_taken_out_meanwhile_runs_nothing(nodes: Nodes, changed: Changed) -> None:
    """At the coordinator, which had accepted it."""
    asked = Asked(nodes, "held", person="both").sent()
    assert asked.info("a").state == "queued"
    fingerprint = nodes.people["both"].card.fingerprint
    changed.at("a", f'fingerprint = "{fingerprint}"', f'fingerprint = "{"0" * 64}"')
    approve(nodes, asked)
    found = {name: asked.end(name) for name in ("b", "c")}
    for info in found.values():
        assert info.state == "refused" and info.error is not None and info.error.node == "a"
        assert "among the people" in info.error.message


def test_budgets_are_looked_at_again_without_the_job_itself(nodes: Nodes, changed: Changed) -> None:
    first, second = (Asked(nodes, "held", lambda x, k=k: x.sum() + k).sent() for k in range(2))  # type: ignore[misc]
    budget = 'datasets = ["held"]\nhold = true\nbudget = { jobs = 2 }\n'
    changed.at("c", 'datasets = ["held"]\nhold = true\n', budget)
    used = sum(
        1 for info in nodes.request("c", "operator", "GET", "/v1/admin/jobs?limit=1000").json()["jobs"]
        if info["datasets"] == ["held"] and info["analyst_name"] == "analyst"
    )  # fmt: skip
    changed.at("c", "jobs = 2", f"jobs = {used}")
    approve(nodes, first)
    assert first.result() == sum(VALUES)
    changed.at("c", f"jobs = {used}", f"jobs = {used - 1}")
    approve(nodes, second)
    check_refused(second, "c", "held", "budget")
    # the node goes on
    assert Asked(nodes, "free").sent().result() == sum(VALUES)


def test_a_plan_is_approved_with_what_one_job_has_kept(nodes: Nodes, changed: Changed) -> None:
    """At c no rule lets them, but an approval of this plan; it names the job whose result goes in."""
    kept = Asked(nodes, "free", lambda x: x.sum(), keep="monthly").sent()
    assert {info.state for info in kept.ends().values()} == {"done"}
    asked = Asked(nodes, "free", lambda x: x * 2, reads="monthly")
    changed.at("c", 'name = "free"\nanalysts = ["*"]', 'name = "free"\nanalysts = ["both"]')
    entry = f'[[approved]]\nname = "report"\nplan = "{asked.plan.hash.hex()}"\nanalysts = ["*"]\n'
    for kept_by, code in (("[]", 403), (f'["{"0" * 32}"]', 403), (f'["{kept.job}"]', 202)):
        changed.at("c", "version = 1\n", f"version = 1\n{entry}kept_by = {kept_by}\n")
        again = Asked(nodes, "free", lambda x: x * 2, reads="monthly")
        assert again.plan.hash == asked.plan.hash
        answer = again.send("c")["c"]
        assert answer.status_code == code, answer.text
        if code == 403:
            assert "approved as report, but not with monthly as job" in answer.json()["message"]
            changed.at("c", f"{entry}kept_by = {kept_by}\n", "")
    assert_ok(again.send("a")["a"])
    assert_ok(again.send("b")["b"])
    assert again.result() == 2 * sum(VALUES)
    assert again.info("c").decision.rule == "report"
