"""Three nodes up and down, and every command of owners, analysts and operators on them, as a person types them."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas
import pytest
from typer.testing import CliRunner

from commands_of_cli import tercet, told
from tercet.cli.app import app
from tercet.cli.options import UP_FOLDER
from tercet.cli.output import Exit
from tercet.node import processes, trial

ROWS = 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nodes that run, and a table beside them."""
    place = tmp_path_factory.mktemp("trial")
    rng = np.random.default_rng(5)
    frame = pandas.DataFrame({"age": rng.integers(18, 90, ROWS), "bmi": rng.normal(26, 4, ROWS).round(1)})
    frame["sex"] = rng.choice(["f", "m"], ROWS)
    frame["risk"] = (0.5 * frame.age + 2 * frame.bmi + rng.normal(size=ROWS)).round(2)
    frame.to_csv(place / "patients.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        try:
            shown = tercet("up", "--port", str(processes.free_ports(21_000, 100)))
            assert "are ready" in shown.stdout
            yield place
        finally:
            processes.stop([place / UP_FOLDER / name for name in trial.NODES])


@pytest.fixture(scope="module")
def frame(folder: Path) -> pandas.DataFrame:
    return pandas.read_csv(folder / "patients.csv")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> str:
    tercet("schema", "infer", "patients.csv", "--out", "patients.toml")
    done = tercet("upload", "patients.csv", "--dataset", "patients", "--schema", "patients.toml")
    assert f"{ROWS} rows, visible at all three nodes" in done.stdout
    return "patients"


def pids(folder: Path) -> list[int]:
    running = [processes.running(folder / UP_FOLDER / name) for name in trial.NODES]
    return [process.pid for process in running if process is not None]


def test_up_again_changes_nothing(folder: Path) -> None:
    before = pids(folder)
    assert len(before) == 3
    assert "were running already" in tercet("up").stdout
    assert pids(folder) == before


def test_identities_and_folders_are_private(folder: Path) -> None:
    nodes = folder / UP_FOLDER
    assert nodes.stat().st_mode & 0o077 == 0
    for name in trial.PEOPLE:
        assert (nodes / f"{name}.pem").stat().st_mode & 0o077 == 0


def test_one_that_ended_is_started_again(folder: Path) -> None:
    before = pids(folder)
    processes.stop([folder / UP_FOLDER / "node-2"])
    assert len(pids(folder)) == 2
    assert "are ready" in tercet("up").stdout
    after = pids(folder)
    assert (after[0], after[2]) == (before[0], before[2])
    assert after[1] != before[1]


def test_schema(folder: Path, dataset: str) -> None:
    assert "age" in tercet("schema", "show", "patients.toml").stdout
    names = [
        column["name"] for column in json.loads(tercet("schema", "show", "patients.toml", "--json").stdout)["columns"]
    ]
    assert names == ["age", "bmi", "sex", "risk"]
    assert f"{ROWS} rows" in tercet("schema", "check", "patients.toml", "patients.csv").stdout
    assert "exists" in told("schema", "infer", "patients.csv", "--out", "patients.toml")
    (folder / "bad.csv").write_text("age,bmi,sex,risk\n20,22,f,1\n300,22,f,1\n")
    error = tercet("schema", "check", "patients.toml", "bad.csv", status=1).stderr
    assert "'age'" in error or "column age" in error
    assert "300" not in error


def test_uploads_append(folder: Path, dataset: str) -> None:
    (folder / "more.csv").write_text("age,bmi,sex,risk\n" + "30,25,f,60\n" * 10)
    made = tercet("upload", "more.csv", "--dataset", "other", "--schema", "patients.toml").stdout
    assert "is made, with 10 rows" in made
    assert "more.csv is in other already: 10 rows" in told("upload", "more.csv", "--dataset", "other")
    report = json.loads(tercet("upload", "more.csv", "--dataset", "other", "--again", "--json").stdout)
    assert report["rows"] == 10
    listed = {each["name"]: each for each in json.loads(tercet("datasets", "--json").stdout)}
    assert (listed["other"]["rows"], listed["other"]["version"]) == (20, 2)
    assert "Withdrawn from other" in tercet("withdraw", "other", "--yes").stdout
    assert "other" not in {each["name"] for each in json.loads(tercet("datasets", "--json").stdout)}


def test_from_a_database_from_standard_input_and_through_one_node(folder: Path, frame: pandas.DataFrame) -> None:
    with closing(sqlite3.connect(folder / "ward.db")) as database:
        frame.to_sql("patients", database, index=False)
    question = ("--sql", "sqlite:///ward.db", "SELECT age, bmi FROM patients WHERE bmi > 20")
    tercet("schema", "infer", *question, "--out", "ward.toml")
    made = tercet("upload", *question, "--dataset", "ward", "--schema", "ward.toml").stdout
    chosen = frame[frame.bmi > 20]
    assert f"is made, with {len(chosen)} rows" in made
    lines = chosen[["age", "bmi"]].to_csv(index=False)
    added = tercet("upload", "-", "--dataset", "ward", "--via", "node-3", typed=lines).stdout
    assert f"{len(chosen)} more rows" in added
    assert "not remembered" in added
    (row,) = json.loads(tercet("query", "SELECT SUM(age) AS total FROM ward", "--json").stdout)
    assert row["total"] == 2 * chosen.age.sum()


def test_uploads_that_cannot_be(folder: Path) -> None:
    assert "has no name" in told("upload", "patients.csv")
    assert "a schema is needed" in told("upload", "patients.csv", "--dataset", "nothing")
    assert "nothing to read" in told("upload", "--dataset", "nothing")
    assert "both named" in told("upload", "patients.csv", "--sql", "sqlite://", "SELECT 1", "--dataset", "x")


def test_query(dataset: str, frame: pandas.DataFrame) -> None:
    (row,) = json.loads(
        tercet("query", "SELECT AVG(age) AS a, COUNT(*) AS n FROM patients WHERE bmi > 25", "--json").stdout
    )
    chosen = frame[frame.bmi > 25]
    assert row["n"] == len(chosen)
    assert row["a"] == pytest.approx(chosen.age.mean(), rel=1e-6)
    shown = tercet("query", "SELECT sex, COUNT(*) FROM patients GROUP BY sex").stdout
    assert str((frame.sex == "f").sum()) in shown


@pytest.mark.parametrize(
    ("typed", "error", "hint"),
    [
        ("query|SELECT AVG(age) FROM patient", "there is no dataset patient", "tercet datasets"),
        ("query|SELECT AVG(agee) FROM patients", "no column 'agee'", "age, bmi, sex, risk"),
        ("query|SELECT AVG(age) FROM patients WHERE sex = 'w'", "'w' is no category of column sex", "they are f, m"),
        ("query|SELEC age", "a query is one SELECT", "SELECT AVG"),
        ("explain|SELECT COUNT(*) FROM patients", "asks for nothing that is secret", "a mean or a count"),
        ("fit|patients|--target|riks", "no column of numbers 'riks'", "age, bmi, risk"),
        ("receipts|patient", "there is no dataset patient", "tercet datasets"),
        ("withdraw|patient|--yes", "there is no dataset patient", "tercet datasets"),
        ("datasets|--identity|none.pem", "cannot read none.pem", "tercet identity new NAME makes one, tercet up"),
        ("datasets|--identity|tercet-nodes/federation.toml", "is no identity", "private keys"),
        ("datasets|--federation|none.toml", "cannot read the federation file none.toml", "tercet up makes"),
        ("datasets|--federation|patients.toml", "patients.toml is no federation file", "an operator of the federation"),
        ("datasets|--federation|patients.csv", "patients.csv is no federation file", "an operator of the federation"),
        ("upload|none.csv|-d|patients", "cannot read none.csv: No such file or directory", "a file of CSV"),
        ("upload|patients.csv|-d|patienst", "no dataset patienst yet", "correct the name: there are patients"),
        ("upload|patients.csv|-d|x|-s|none.toml", "schema none.toml: No such file or directory", "tercet schema infer"),
        ("upload|patients.csv|-d|x|-s|patients.csv", "patients.csv is no TOML", "tercet schema infer"),
        ("upload|other.csv|-d|patients|-i|tercet-nodes/analyst.pem", "analyst is no owner", "ask the operator to give"),
        ("upload|comma.csv|-d|patients", "column bmi, row 1: the value is not a number", "--decimal ','"),
        ("upload|bounds.csv|-d|patients", "column age, row 1: the value is outside", "wider bounds"),
        ("upload|empty.csv|-d|patients", "empty.csv is empty", "the first line names the columns"),
        ("upload|wide.csv|-d|patients", "looks like UTF-16", "--encoding utf-16"),
        ("upload|header.csv|-d|patients", "header.csv has no rows to upload", "below the header"),
        ("node|status", "cannot read the settings node.toml: No such file", "--node"),
    ],
)
def test_mistakes_of_beginners(folder: Path, dataset: str, typed: str, error: str, hint: str) -> None:
    header = "age,bmi,sex,risk\n"
    for name, text in {
        "other.csv": f"{header}31,25,f,61\n",
        "comma.csv": 'age,bmi,sex,risk\n30,"25,5",f,60\n',
        "bounds.csv": f"{header}300,25,f,60\n",
        "empty.csv": "",
        "header.csv": header,
    }.items():
        (folder / name).write_text(text)
    (folder / "wide.csv").write_text(f"{header}30,25,f,60\n", encoding="utf-16")
    first, second = told(*typed.split("|")).splitlines()
    assert error in first
    assert hint in second


def test_money_and_missing_values(folder: Path) -> None:
    """As typed: sums of cents to the cent, and empty fields as NULL."""
    lines = ["amount,sex,visits"]
    lines += [f"{'' if k % 10 == 9 else '0.99'},{'' if k % 6 == 5 else 'fm'[k % 2]},{k % 4}" for k in range(60)]
    (folder / "sales.csv").write_text("\n".join(lines) + "\n")
    column = '[[columns]]\nname = "{}"\nkind = "{}"\n{}\n'
    (folder / "sales.toml").write_text(
        column.format("amount", "decimal", "lo = 0\nhi = 100\ndigits = 2\nnullable = true")
        + column.format("sex", "category", 'categories = ["f", "m"]\nnullable = true')
        + column.format("visits", "integer", "lo = 0\nhi = 9")
    )
    assert "2 digits, exact" in tercet("schema", "show", "sales.toml").stdout
    tercet("upload", "sales.csv", "--dataset", "sales", "--schema", "sales.toml")
    sql = "SELECT SUM(amount) AS s, COUNT(amount) AS n, COUNT(*) AS k, AVG(amount) AS a FROM sales"
    (row,) = json.loads(tercet("query", sql, "--json").stdout)
    assert row == {"s": 53.46, "n": 54, "k": 60, "a": 0.99}
    assert "53.46" in tercet("query", sql).stdout
    shown = tercet("query", "SELECT sex, COUNT(*) FROM sales GROUP BY sex").stdout
    assert re.search(r"NULL\s+10", shown)
    (row,) = json.loads(tercet("query", "SELECT COUNT(*) AS n FROM sales WHERE sex IS NULL", "--json").stdout)
    assert row == {"n": 10}
    assert "amount may have some" in tercet("fit", "sales", "--target", "visits", status=1).stderr


def test_query_refused(dataset: str) -> None:
    refused = tercet("query", "SELECT MAX(age) FROM patients", status=Exit.REFUSED).stderr
    assert "refuses by rule trial" in refused and "tercet explain" in refused
    assert "no column" in told("query", "SELECT AVG(nothing) FROM patients")
    assert "and secret" in tercet("query", "SELECT age FROM patients", status=1).stderr


def test_explain(dataset: str) -> None:
    shown = tercet("explain", "SELECT AVG(age) FROM patients").stdout
    assert "accepted by rule trial" in shown
    assert f"at least {ROWS} rows" in shown


def test_fit(dataset: str, frame: pandas.DataFrame) -> None:
    found = json.loads(tercet("fit", "patients", "--target", "risk", "--features", "age,bmi", "--json").stdout)
    assert found["coefficients"]["age"] == pytest.approx(0.5, abs=0.05)
    assert found["coefficients"]["bmi"] == pytest.approx(2, abs=0.2)
    assert found["aliased"] == []
    assert "cannot be a feature" in told("fit", "patients", "--target", "risk", "--features", "sex")
    assert "no column of numbers 'sex'" in told("fit", "patients", "--target", "sex")


def test_a_model_is_kept_and_dropped(dataset: str) -> None:
    assert "no models or arrays are kept" in tercet("kept").stdout
    assert "kept at the nodes as trial" in tercet("fit", "patients", "--target", "risk", "--save", "trial").stdout
    assert "LinearRegression" in tercet("kept").stdout
    assert [each["name"] for each in json.loads(tercet("kept", "--json").stdout)] == ["trial"]
    assert "Deleted trial" in tercet("drop", "trial", "--yes").stdout
    assert json.loads(tercet("kept", "--json").stdout) == []


def test_lists_are_whole_in_a_pipe(folder: Path, dataset: str) -> None:
    """Neither cut nor wrapped nor filled up with blanks where nobody looks at it in a terminal."""
    names = [f"measurement_number_{number}" for number in range(40)]
    (folder / "broad.csv").write_text(",".join(names) + "\n" + "\n".join([",".join(["12"] * 40)] * 9) + "\n")
    tercet("schema", "infer", "broad.csv", "--out", "broad.toml")
    tercet("upload", "broad.csv", "--dataset", "broad", "--schema", "broad.toml")
    lines = tercet("datasets").stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("broad ")]
    assert line.endswith(", ".join(names))
    assert all(line == line.rstrip() for line in lines)
    tercet("withdraw", "broad", "--yes")


def test_jobs_and_receipts(dataset: str) -> None:
    tercet("query", "SELECT AVG(age) FROM patients", "--purpose", "a test")
    newest = json.loads(tercet("jobs", "--json").stdout)[0]
    assert (newest["state"], newest["purpose"]) == ("done", "a test")
    assert newest["job"][:8] in tercet("jobs").stdout
    assert "a test" in tercet("receipts", "patients").stdout
    last = json.loads(tercet("receipts", "patients", "--json").stdout)[-1]
    assert last["job"] == newest["job"]
    assert last["nodes"] == list(trial.NODES)
    assert last["grounds"]["version"] == 1 and last["grounds"]["checked"] == 1
    assert "checked data" in tercet("receipts", "patients").stdout
    assert "checked data" in tercet("jobs").stdout
    assert "no job begins with" in told("result", "ffff0000ffff")


def test_what_an_operator_sees(folder: Path, dataset: str) -> None:
    node = ("--node", folder / UP_FOLDER / "node-1")
    shown = tercet("node", "status", *node).stdout
    assert "ready" in shown
    assert shown.count(" reachable") == 2
    status = json.loads(tercet("node", "status", *node, "--json").stdout)
    assert status["health"]["ready"]
    assert "patients" in tercet("node", "datasets", *node).stdout
    job = json.loads(tercet("node", "jobs", *node, "--json").stdout)[0]["job"]
    shown = " ".join(tercet("node", "jobs", job[:12], *node).stdout.split())
    assert "accepted by rule trial" in shown
    assert (
        "rests on patients: no result rests on bounds that are claimed and not proven; the values of 1 upload were"
        in shown
    )
    assert "no job begins with" in told("node", "approve", "ffff0000ffff", *node)


def test_a_held_job_is_approved_and_fetched(folder: Path, dataset: str, frame: pandas.DataFrame) -> None:
    node = ("--node", folder / UP_FOLDER / "node-2")
    policy = folder / UP_FOLDER / "node-2" / "policy.toml"
    before = policy.read_text()
    question = "SELECT AVG(bmi) AS answer FROM patients WHERE age > 40"
    policy.write_text(before + "hold = true\n")
    try:
        until(lambda: status_of("explain", question) == Exit.HELD)
        result = tercet("query", question, "--json", status=Exit.HELD)
        (job,) = json.loads(tercet("node", "jobs", "--state", "held", *node, "--json").stdout)
        assert f"tercet result {job['job'][:8]}" in result.stderr
        assert result.stdout == ""
        assert tercet("result", job["job"][:8], status=Exit.HELD).stdout == ""
        assert "over at least" in tercet("node", "jobs", job["job"][:8], *node).stdout
        tercet("node", "approve", job["job"][:8], "--reason", "read it", *node)
        (row,) = json.loads(tercet("result", job["job"][:8], "--wait", "--json").stdout)
        assert row["answer"] == pytest.approx(frame[frame.age > 40].bmi.mean(), rel=1e-4)
        tercet("query", question, status=Exit.HELD)
        (job,) = json.loads(tercet("node", "jobs", "--state", "held", *node, "--json").stdout)
        tercet("node", "deny", job["job"], "--reason", "too small", *node)
        refused = tercet("result", job["job"], status=Exit.REFUSED).stderr
        assert "node-2" in refused
        assert "too small" in refused
    finally:
        policy.write_text(before)
    until(lambda: status_of("explain", question) == Exit.OK)


def status_of(*arguments: str) -> int:
    return CliRunner().invoke(app, list(arguments)).exit_code


def until(condition: Callable[[], bool]) -> None:
    """A node looks at its policy file now and then."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_audits_agree(folder: Path, dataset: str) -> None:
    files = []
    for name in trial.NODES:
        files.append(folder / f"{name}.jsonl")
        tercet("node", "audit", "--export", files[-1], "--node", folder / UP_FOLDER / name)
    assert "agree with each other" in tercet("audit", "verify", *files).stdout
    assert "cannot write" in told("node", "audit", "--export", files[0], "--node", folder / UP_FOLDER / "node-1")


def test_the_tour_of_the_readme(dataset: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    _, tour = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(compile(tour, "README.md", "exec"), {})  # noqa: S102
    printed = capsys.readouterr().out
    assert "nodes: node-1, node-2, node-3: accepted by rule trial" in printed
    assert re.search(r"^node node-\d refuses by rule trial", printed, re.MULTILINE)


def test_backup(folder: Path, dataset: str) -> None:
    node = ("--node", folder / UP_FOLDER / "node-3")
    assert "patients" in tercet("node", "backup", "first", *node).stdout
    assert (folder / UP_FOLDER / "node-3" / "backups" / "first" / "manifest.json").is_file()
    assert "and nowhere else" in told("node", "backup", folder / "backup", *node)


def test_refresh(folder: Path, dataset: str) -> None:
    assert "refreshed" not in tercet("datasets").stdout.splitlines()[0]
    shown = tercet("refresh", "patients").stdout
    assert "refreshed" in tercet("datasets").stdout.splitlines()[0]
    assert "Refreshed patients at all three nodes" in shown
    (row,) = json.loads(tercet("query", "SELECT COUNT(*) AS n FROM patients", "--json").stdout)
    assert row["n"] == ROWS


def test_a_taken_port_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    trial.create(tmp_path / "x", processes.free_ports(26_000, 100), {"analyst": ["analyst"]})
    text = (tmp_path / "x" / "federation.toml").read_text()
    port = int(text.split("https://127.0.0.1:")[1].split('"')[0])
    with socket.socket() as listener:
        listener.bind((processes.LOOPBACK, port))
        listener.listen()
        assert f"another program listens at port {port}" in told("up", tmp_path / "x")
    assert not any(processes.running(tmp_path / "x" / name) for name in trial.NODES)


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    assert "holds other things: thesis.tex" in told("up", tmp_path)
    assert "there are no nodes in" in told("down", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_down(folder: Path) -> None:
    """Comes last: nothing runs afterwards, data stays, and a second `down` says so."""
    assert "Stopped node-1, node-2, node-3" in tercet("down").stdout
    assert pids(folder) == []
    assert "No node was running" in tercet("down").stdout
    gone = told("query", "SELECT COUNT(*) FROM patients")
    assert "cannot be reached" in gone and "start it, with tercet up" in gone
