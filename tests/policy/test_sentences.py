"""The policy in sentences: all that matters of it, at its lines."""

from __future__ import annotations

from tercet.policy.rules import Policy
from tercet.policy.sentences import sentences
from tercet.policy.template import TEMPLATE, trial

TEXT = f"""version = 1
[[people]]
name = "dr-weber"
fingerprint = "{"ab" * 32}"
roles = ["analyst", "owner"]
organisation = "ward-7"

[[owners]]
people = ["*"]
datasets = ["patients"]
may = ["create", "append"]

[[rules]]
name = "research"
analysts = ["dr-weber"]
datasets = ["patients"]
min_rows = 20
[rules.budget]
bits = 40000

[[rules]]
name = "else"
analysts = ["*"]
datasets = ["*"]
per_row = ["patients/age"]
hold = true
keep = false
recipients = ["*"]
denied_operations = ["sort"]

[limits]
unchecked = "refuse"
"""


def test_a_policy_in_sentences() -> None:
    told = {one.line: one.text for one in sentences(Policy.parse(TEXT), TEXT)}
    assert told[2] == "dr-weber of ward-7 is an analyst and an owner here (certificate abababababababab…)."
    assert told[8] == "every owner may create and append patients."
    assert told[13] == (
        "research: dr-weber may compute on patients. Each number that is revealed rests on at least 20 rows of others, "
        "and each condition is met by at least 5. Results go to who asks. Results may be kept here as shares. "
        "A person has had at most 40,000 bits and 1,000 kept arrays of each dataset in 30 days."
    )
    assert "EACH JOB WAITS" in told[21] and "SINGLE ROWS of patients/age" in told[21]
    assert "Nothing is kept." in told[21] and "Not these operations: sort." in told[21]
    assert "refused" in told[31]


def test_empty_lists_let_nothing_happen() -> None:
    head = 'version = 1\n[[rules]]\nname = "none"\nanalysts = ["*"]\ndatasets = ["*"]\n'
    for words, told in {
        "columns = []": "every analyst may compute on all datasets, with none of the columns.",
        "operations = []": "No operation may be used.",
        "recipients = []": "Nobody may get results.",
    }.items():
        found = sentences(Policy.parse(f"{head}{words}\n"), f"{head}{words}\n")
        assert any(told in one.text for one in found), words
    plan = f'version = 1\n[[approved]]\nname = "p"\nplan = "{"ab" * 32}"\nanalysts = ["*"]\nrecipients = []\n'
    assert "Nobody may get results." in sentences(Policy.parse(plan), plan)[1].text


def test_the_first_policy_and_that_of_a_trial() -> None:
    first = [one.text for one in sentences(Policy.parse(TEMPLATE), TEMPLATE)]
    assert first[0] == "Nobody is known here, so nobody may do anything."
    text = trial({"ada": ("cd" * 32, ["analyst"])})
    assert any("several of these datasets" in one.text for one in sentences(Policy.parse(text), text))
