"""The policy file: strict, with the line of everything that is wrong; nothing is allowed by default."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

from tercet.errors import ConfigError
from tercet.policy.rules import OwnerAction, PersonRole, Policy, line_of
from tercet.policy.template import TEMPLATE, trial

ADA, CLINIC = "ad" * 32, "c1" * 32


def uncommented() -> str:
    """The template with all its examples in force."""
    text = "\n".join(re.sub(r"^# ?(?=(\[|[a-z_]+ =))", "", line) for line in TEMPLATE.split("\n"))
    return (
        text.replace("3f0c...64 hexadecimal digits...", ":".join(["AD"] * 32))
        .replace("91be...", CLINIC)
        .replace("7a51...64 hexadecimal digits...", "7a" * 32)
    )


def test_the_template_lets_nobody_in() -> None:
    policy = Policy.parse(TEMPLATE)
    assert not policy.people and not policy.rules and not policy.owners and not policy.approved
    assert policy.person(ADA) is None


def test_the_templates_examples_are_valid_and_show_the_defaults() -> None:
    policy = Policy.parse(uncommented())
    ada = policy.person(ADA)
    assert ada is not None and ada.name == "ada" and ada.roles == (PersonRole.ANALYST,)
    (rule,) = policy.rules
    bare = Policy.parse(
        f'version = 1\n[[people]]\nname = "ada"\nfingerprint = "{ADA}"\nroles = ["analyst"]\n'
        '[[rules]]\nname = "research"\nanalysts = ["ada"]\ndatasets = ["patients"]\n'
    ).rules[0]
    shown = rule.model_dump(exclude={"columns", "budget"})
    assert shown == bare.model_dump(exclude={"columns", "budget"})
    assert Policy.parse(TEMPLATE).limits == Policy.parse("version = 1").limits


def test_a_file_is_read_with_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(TEMPLATE, encoding="utf-8")
    assert Policy.load(path).digest == sha256(TEMPLATE.encode()).hexdigest()
    with pytest.raises(ConfigError, match="cannot read"):
        Policy.load(tmp_path / "none.toml")
    path.write_bytes(b"version = 1 # \xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        Policy.load(path)


WRONG = {
    'name = "ada"': ('name = "ada "', "people.1.name"),
    'roles = ["analyst"]': ('roles = ["boss"]', "'boss' is none of owner, analyst, operator"),
    'fingerprint = "AD': ('fingerprint = "XD', "people.1.fingerprint"),
    'roles = ["owner"]': ('roles = ["analyst"]', "hospital-a does not have the role 'owner'"),
    'may = ["create", ': ('may = ["destroy", ', "'destroy' is none of create"),
    'analysts = ["ada"]': ('analysts = ["bob"]', "'bob' is not among the people"),
    'datasets = ["patients"]             # or ["*"]\n# may': ('datasets = [""]\n# may', "at least 1 character"),
    "min_rows = 20": ("min_rows = -1", "greater than or equal to 0"),
    "min_rows = 20\n": ('min_rows = "20"\n', "valid integer"),
    'operations = ["*"]': ('operations = ["summ"]', "'summ' is no operation"),
    '"patients/bmi"]': ('"bmi"]', "'bmi' is not of the form dataset/column"),
    "per_row = []": ('per_row = ["other/age"]', "other is not among its datasets"),
    "hold = false": ("hold = 0", "valid boolean"),
    "jobs = 200": ("job = 200", "rules.1.budget.job: extra inputs are not permitted"),
    'plan = "7a': ('plan = "za', "approved.1.plan"),
    'recipients = ["self"]\n# note': ('recipients = ["eve"]\n# note', "'eve' is not among the people"),
    'name = "monthly-report"': ('name = "research"', "names a rule as well"),
    "operations = 100_000": ("operations = -1", "limits.operations"),
    'asserted_bounds = "any"': ('asserted_bounds = "all"', "'all' is none of any, proven"),
    "version = 1": ("version = 2", "version"),
    'name = "hospital-a"': ('name = "ada"', "name 'ada' appears twice"),
}


@pytest.mark.parametrize("before", WRONG)
def test_every_fault_is_named_with_its_line(before: str) -> None:
    after, said = WRONG[before]
    text = uncommented()
    before = before.replace("\n# ", "\n")
    after = after.replace("\n# ", "\n")
    assert before in text
    place = text.index(before)
    broken = text[:place] + after + text[place + len(before) :]
    with pytest.raises(ConfigError) as caught:
        Policy.parse(broken)
    assert said in str(caught.value)
    assert (
        f"line {text[:place].count(chr(10)) + 1}:" in str(caught.value) or "rule as well" in said or "'owner'" in said
    )


def test_what_is_no_toml_is_named_with_its_line() -> None:
    with pytest.raises(ConfigError, match="line 2"):
        Policy.parse("version = 1\nrules =\n")
    with pytest.raises(ConfigError, match=r"line 2.*digest"):
        Policy.parse('version = 1\ndigest = ""\n')


def test_owners_may_do_what_is_written() -> None:
    policy = Policy.parse(uncommented())
    assert policy.may_change(CLINIC, OwnerAction.APPEND, "patients") == ""
    assert policy.may_change(CLINIC, "withdraw", "patients") == ""
    assert "lets hospital-a drop patients; allowed: create, append, withdraw patients" in policy.may_change(
        CLINIC, OwnerAction.DROP, "patients"
    )
    assert "lets hospital-a create visits" in policy.may_change(CLINIC, OwnerAction.CREATE, "visits")
    assert "does not have the role of an owner" in policy.may_change(ADA, OwnerAction.CREATE, "patients")
    assert "is among the people" in policy.may_change("ee" * 32, OwnerAction.CREATE, "patients")


def test_the_trial_policy_lets_the_named_people_do_everything() -> None:
    policy = Policy.parse(trial({"me": (ADA, ["owner", "analyst", "operator"])}))
    assert all(policy.may_change(ADA, action, "anything") == "" for action in OwnerAction)
    assert policy.rules[0].covers_dataset("anything")


def test_lines_of_places() -> None:
    text = 'a = 1\n[[b]]\nc = 2\n[b.d]\ne = 3\n[[b]]\n"f" = 4\ng.h = 5\n'
    expected = {("a",): 1, ("b", 0, "c"): 3, ("b", 0, "d", "e"): 5, ("b", 1, "f"): 7, ("b", 1, "g", "h"): 8}
    assert {place: line_of(text, place) for place in expected} == expected
    assert line_of(text, ("b", 1, "missing")) == 6
    assert line_of(text, ("missing",)) == 0
