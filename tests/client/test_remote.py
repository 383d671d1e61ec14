"""Sessions with three node processes: tables, results, refusals, models, own arrays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tercet as tc
from node.trio_nodes import Nodes
from tercet.client.asking import Held
from tercet.client.infer import infer
from tercet.client.remote import RemoteSession
from tercet.client.table import Table
from tercet.errors import ConfigError, InputError, Refused, SmallGroupsWarning, Unreachable
from tercet.federation.federation import Federation
from tercet.linear_model import LinearRegression
from tercet.store.schema import Schema


@pytest.fixture
def net(patients: Nodes) -> Iterator[RemoteSession]:
    with tc.connect(patients.folder / "federation.toml", patients.folder / "analyst.pem", profile="lan") as session:
        yield session


@pytest.fixture
def table(net: RemoteSession) -> Table:
    return net.table("patients")


def test_means_and_masks(table: Table, frame: pd.DataFrame) -> None:
    women, seen = table["sex"] == "f", table["seen"] >= date(2020, 1, 1)
    found = tc.reveal(
        table["age"].mean(),
        tc.array.var(table["bmi"], correction=1),
        (women & (table["age"] > 50)).sum(),
        tc.where(women, table["bmi"], 0).sum(),
        seen.sum(),
        (table["sex"] != "x").sum(),
        table["sex"].isin(["f", "x"]).sum(),
        table["smoker"].mean(),
    )
    bmi = frame.bmi  # which has two digits behind the point, and is stored by them
    expected = [
        frame.age.mean(),
        bmi.var(),
        ((frame.sex == "f") & (frame.age > 50)).sum(),
        bmi[frame.sex == "f"].sum(),
        (frame.seen >= "2020-01-01").sum(),
        (frame.sex != "x").sum(),
        frame.sex.isin(["f", "x"]).sum(),
        frame.smoker.mean(),
    ]
    assert np.allclose([float(value) for value in found], expected, rtol=1e-12)


def test_what_means_nothing_at_nodes(table: Table, frame: pd.DataFrame) -> None:
    y, older = tc.log(table["age"] - 50), frame.age[frame.age > 50] - 50
    valid = tc.valid(y)
    mean, number, whole = tc.reveal(y.mean(where=valid), tc.masked_invalid(y).count(), tc.valid(y.sum()))
    assert mean == pytest.approx(np.log(older).mean(), abs=1e-3)
    assert (number, whole) == (len(older), False)
    with pytest.raises(InputError, match="has elements that mean nothing: logarithms take numbers above 0"):
        y.sum().reveal(checked=True)
    chosen = tc.where(table["age"] > 50, y, 0)
    assert chosen.sum().reveal(checked=True) == pytest.approx(np.log(older).sum(), abs=0.1)
    with pytest.raises(Refused, match="at least"):
        valid.reveal()


def test_the_table_itself(table: Table, net: RemoteSession) -> None:
    assert table.columns == ["age", "bmi", "sex", "smoker", "seen", "risk"]
    assert table.shape == (400, 6)
    assert len(table) == 400
    assert "age" in table and "height" not in table
    assert table[["age", "bmi", "smoker", "seen"]].shape == (400, 4)
    assert "patients: 400 rows, 6 columns, version 1" in repr(table)
    assert "category: f, m, x" in repr(table)
    assert "<table" in table._repr_html_()
    assert [info.name for info in net.datasets() if info.name == "patients"] == ["patients"]


def test_describe(table: Table, frame: pd.DataFrame, net: RemoteSession) -> None:
    with net.measure() as m:
        found = table.describe()
    assert m.jobs == 1
    assert list(found.index) == ["age", "bmi", "sex = f", "sex = m", "sex = x", "smoker", "seen", "risk"]
    assert found.loc["seen", "mean"] == frame.seen.mean().round("D").date()
    assert found.loc["seen", "std"] == pytest.approx(frame.seen.std() / pd.Timedelta("1D"))
    assert list(found["count"])[:2] == [400, 400]
    assert found.loc["age", "mean"] == pytest.approx(frame.age.mean())
    assert found.loc["age", "std"] == pytest.approx(frame.age.std())
    assert found.loc["bmi", "std"] == pytest.approx(frame.bmi.std(), rel=1e-4)
    assert found.loc["smoker", "std"] == pytest.approx(frame.smoker.astype(int).std())
    assert found.loc["sex = x", "count"] == (frame.sex == "x").sum()
    assert list(table.describe(["age"]).index) == ["age"]


@pytest.mark.parametrize(
    ("misuse", "error", "match"),
    [
        (lambda t: t["height"], InputError, "no column 'height'"),
        (lambda t: t["sex"] == "male", InputError, "no category of column sex; they are f, m, x"),
        (lambda t: t[["age", "sex"]], TypeError, "holds categories"),
        (lambda t: t[t["age"] > 5], TypeError, "indexed by a column's name"),
        (lambda t: t[3], TypeError, "indexed by a column's name"),
        (lambda t: t["seen"] > "yesterday", InputError, "no date; write it as YYYY-MM-DD"),
        (lambda t: t["seen"] > 18_000, TypeError, "holds dates: compare it with a datetime.date, not with .* type int"),
        (lambda t: t["seen"] > datetime(2020, 1, 1, 12), InputError, "without a time of day"),
        (lambda t: t["seen"] * 2, TypeError, "holds dates, which are no numbers: subtract a date"),
        (lambda t: t["seen"].sum(), TypeError, "holds dates, which are no numbers"),
        (lambda t: t["seen"] + t["seen"], TypeError, "add a whole number of days"),
        (lambda t: t["seen"] + 0.5, TypeError, "add a whole number of days"),
        (lambda t: t["seen"] + timedelta(hours=1), InputError, "add whole days"),
        (lambda t: t["sex"] + 1, TypeError, "holds categories, which are no numbers and have no order"),
        (lambda t: t["age"] * t["sex"], TypeError, "holds categories, which are no numbers"),
        (lambda t: np.add(t["sex"], 1), TypeError, "no numbers"),
        (lambda t: -t["sex"], TypeError, "holds categories"),
        (lambda t: t["sex"].mean(), TypeError, "holds categories"),
        (lambda t: np.mean(t["sex"]), TypeError, "holds categories"),
        (lambda t: t["sex"] < "m", TypeError, "have no order"),
        (lambda t: t["sex"] == 1, TypeError, "compare it with one of their texts, as 'f', not with .* type int"),
        (lambda t: t["sex"] == t["age"], TypeError, "compare it with one of their texts"),
        (lambda t: tc.where(t["smoker"], t["sex"], 1), TypeError, "compare it with one of their texts"),
        (lambda t: t["sex"].astype(float), TypeError, "holds categories"),
        (lambda t: t.groupby("age").count(), InputError, "which values there are is secret"),
        (lambda t: t.groupby("sex").mean("seen"), InputError, "column seen is of kind date"),
        (lambda t: t.groupby([]), InputError, "name of a column"),
        (lambda t: t.to_numpy(), TypeError, "rows are secret"),
        (lambda t: np.asarray(t), TypeError, "rows are secret"),
        (lambda t: t["sex"].isin("f"), TypeError, "a list of values"),
    ],
)
def test_misuse(table: Table, misuse: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        misuse(table)


def test_kinds_stay_what_they_are(table: Table, net: RemoteSession, frame: pd.DataFrame) -> None:
    sex, seen = table["sex"], table["seen"]
    some, picked = np.arange(400) % 3 > 0, slice(20, 300, 2)
    women = sex[some][:100] == "f"
    late = tc.where(table["smoker"], seen, date(2021, 1, 1)) >= pd.Timestamp("2021-01-01")
    day = date(2020, 1, 1)
    found = tc.reveal(
        women.sum(),
        (sex[picked] != sex[picked]).sum(),
        late.sum(),
        (seen.persist()[picked] < day).sum(),
        (day < seen).sum(),
        (seen - day).sum(),
        (day - seen).mean(),
        (seen + 30 > seen.mean()).sum(),
        (tc.where(table["smoker"], sex, "x") == "x").sum(),
        seen.mean(),
        seen.isin([frame.seen[0], frame.seen[1]]).sum(),
    )
    plain = frame.seen.dt.date
    assert found[0] == (frame.sex[some][:100] == "f").sum()
    assert found[1] == 0
    assert found[2] == (plain.where(frame.smoker, date(2021, 1, 1)) >= date(2021, 1, 1)).sum()
    assert found[3] == (plain[picked] < day).sum()
    assert found[4] == (plain > day).sum()
    days = (frame.seen - pd.Timestamp(day)).dt.days
    assert found[5] == days.sum()
    assert found[6] == pytest.approx(-days.mean())
    assert found[7] == (frame.seen + pd.Timedelta("30D") > frame.seen.mean()).sum()
    assert found[8] == (frame.sex.where(frame.smoker, "x") == "x").sum()
    assert found[9] == np.datetime64(frame.seen.mean().round("D").date())
    assert found[10] == frame.seen.isin(frame.seen[:2]).sum()
    assert (sex.reshape(20, -1) == "f").shape == (20, 20)
    assert repr(sex[:5]) == "CategoryArray(sex: f, m, x; shape (5,))"
    assert repr(seen).startswith("DateArray(seen: 20")
    with pytest.raises(Refused):
        sex.reveal()


def test_deviations_as_numpy_has_them(table: Table, net: RemoteSession, frame: pd.DataFrame) -> None:
    bmi = frame.bmi  # which has two digits behind the point, and is stored by them
    with net.measure() as m:
        found = tc.reveal(
            table["age"].var(),
            table["age"].std(),
            table["bmi"].std(ddof=1),
            np.std(table["age"], ddof=1),
            table[["age", "bmi"]].std(axis=0),
        )
    assert m.jobs == 1
    assert [float(one) for one in found[:4]] == pytest.approx(
        [np.var(frame.age), np.std(frame.age), bmi.std(), frame.age.std()], rel=1e-9
    )
    assert found[4] == pytest.approx([np.std(frame.age), np.std(bmi)], rel=1e-4)
    assert "square root" in repr(table["age"].std())


def test_groups(table: Table, net: RemoteSession, frame: pd.DataFrame) -> None:
    groups, plain = table.groupby("sex"), frame.groupby("sex")
    assert repr(groups) == "Groups(patients by sex: 3)"
    with net.measure() as m:
        means = groups.mean(["age", "bmi", "smoker"])
    assert m.jobs == 1
    pd.testing.assert_frame_equal(means, plain[["age", "bmi", "smoker"]].mean(), rtol=1e-4, check_dtype=False)
    pd.testing.assert_series_equal(groups.count(), plain.size(), check_names=False, check_dtype=False)
    assert list(groups.sum().columns) == ["age", "bmi", "smoker", "risk"]
    pd.testing.assert_frame_equal(groups.std("age"), plain[["age"]].std(), rtol=1e-9)
    pd.testing.assert_frame_equal(groups.var("age", ddof=0), plain[["age"]].var(ddof=0), rtol=1e-9)
    both = table.groupby(["smoker", "sex"]).describe("age")
    assert list(both.columns) == ["count", "age sum", "age mean"]
    assert both.loc[(True, "f"), "age sum"] == frame.age[frame.smoker & (frame.sex == "f")].sum()
    assert both["count"].sum() == len(frame)


def test_a_group_without_rows(patients: Nodes) -> None:
    with tc.connect(patients.federation, patients.people["analyst"], profile="lan") as net:
        schema = Schema.parse(
            {
                "columns": [
                    {"name": "colour", "kind": "category", "categories": ["red", "blue"]},
                    {"name": "x", "kind": "integer", "lo": 0, "hi": 9},
                ]
            }
        )
        net.upload({"colour": ["red"] * 8, "x": range(8)}, dataset="colours", schema=schema)
        with pytest.warns(SmallGroupsWarning, match="1 of 2 groups is not shown"):
            found = net.table("colours").groupby("colour").describe()
        assert found.loc["red"].to_list() == [8, 28, 3.5]
        assert found.loc["blue"].isna().all()
        with pytest.warns(SmallGroupsWarning):
            assert np.isnan(net.table("colours").groupby("colour").std().loc["blue", "x"])


def test_a_refusal_names_node_and_rule_and_the_session_goes_on(table: Table, frame: pd.DataFrame) -> None:
    with pytest.raises(Refused, match=r"node [abc] refuses by rule open: .*row by row") as refused:
        table["age"].reveal()
    assert refused.value.node in ("a", "b", "c")
    assert refused.value.rule == "open"
    with pytest.raises(Refused, match=r"by rule open:\n  output 1 .*\n  output 2 ") as refused:
        tc.reveal(table["age"][0], table["age"][1])
    assert len(refused.value.message.splitlines()) == 3
    assert table["age"].sum().reveal() == frame.age.sum()


def test_explain_asks_the_nodes(table: Table, net: RemoteSession) -> None:
    jobs = len(net.jobs())
    good, bad = table["age"].mean().explain(), table["age"].explain()
    assert good.allowed and not bad.allowed
    assert [decision.node for decision in good.decisions] == ["a", "b", "c"]
    assert {decision.rule for decision in good.decisions} == {"open"}
    assert "a, b, c: accepted by rule open" in str(good)
    assert "refused" in str(bad)
    assert "patients" in good.texts["b"]
    assert len(net.jobs()) == jobs


def test_a_model_is_saved_and_used_without_being_opened(
    table: Table, net: RemoteSession, frame: pd.DataFrame, patients: Nodes
) -> None:
    columns = ["age", "bmi"]
    model = LinearRegression().fit(table[columns], table["risk"]).save(net, "risk")
    plain = np.linalg.lstsq(np.column_stack([frame[columns], np.ones(len(frame))]), frame.risk, rcond=None)[0]
    with tc.connect(patients.federation, patients.people["analyst"], profile="lan") as another:
        loaded = tc.load("risk", another)
        assert isinstance(loaded, LinearRegression)
        assert loaded.coef_bits_ == model.coef_bits_
        assert np.allclose(loaded.coef_.reveal(), plain[:2], rtol=1e-4)
        assert float(loaded.intercept_.reveal()) == pytest.approx(plain[2], rel=1e-3)
        there = another.table("patients")
        predicted = loaded.predict(there[columns]).mean().reveal()
        assert predicted == pytest.approx(frame.risk.mean(), rel=1e-5)
        assert "risk" in [info.name for info in another.kept()]
        with pytest.raises(InputError):
            model.save(another, "risk")
        another.drop("risk")
        with pytest.raises(InputError):
            tc.load("risk", another)


def test_persisted_results_stay_at_the_nodes(table: Table, frame: pd.DataFrame) -> None:
    scaled = (table["age"] * 2).persist()
    assert scaled.shape == (400,)
    assert scaled.sum().reveal() == 2 * frame.age.sum()
    with pytest.raises(Refused):
        scaled.reveal()


def test_what_is_got_back_is_readable(table: Table, net: RemoteSession, patients: Nodes) -> None:
    table["age"].sum().reveal()
    job = net.jobs()[0]
    clock = datetime.now().astimezone().strftime("%Y-%m-%d")
    assert re.fullmatch(rf"JobInfo\({job.job[:8]}, done, analyst at {clock} .*, of patients, took .* s\)", repr(job))
    assert str(job) == repr(job)
    (info,) = [one for one in net.datasets() if one.name == "patients"]
    assert repr(info).startswith("DatasetInfo(patients: 400 rows, 6 columns, version 1, owners owner, changed 20")
    assert repr(info.segments[0]).startswith("SegmentInfo(400 rows of owner, uploaded 20")
    assert re.search(
        r"NodeInfo\(a, party 1 of .*, operator a, software .*, since 20", repr(net.nodes.clients[0].info())
    )
    answer = net.query("SELECT sex, COUNT(*) AS n, AVG(age) AS age FROM patients GROUP BY sex")
    lines = repr(answer).splitlines()
    assert lines[0].split() == ["sex", "n", "age"]
    assert [line.split()[0] for line in lines[1:]] == ["f", "m", "x"]
    assert repr(net.nodes) == f"Nodes(a, b, c of {patients.federation.name}, asked by analyst)"
    for shown in (repr(job), repr(info), repr(net), repr(net.nodes)):
        assert "PRIVATE" not in shown and len(shown) < 300
    with tc.connect(patients.federation, patients.people["owner"]) as owner:
        report = owner.upload({"x": range(9)}, dataset="shown", schema=infer({"x": range(9)}).schema)
        assert repr(report).startswith(f"UploadReport(shown: 9 rows, version 1, upload {report.upload}, ")
        gone = owner.withdraw("shown")
        assert re.match(r"ChangeOutcome\(withdraw.* shown, committed", repr(gone))


def test_own_arrays(net: RemoteSession, table: Table) -> None:
    """Plain to their owner; beside others' rows they count as weights that they chose."""
    weights = np.arange(400) / 400
    mine = net.share(weights, bounds=(0, 1))
    flags = net.share(np.arange(400).reshape(20, 20) % 3 == 0)
    assert flags.shape == (20, 20)
    with pytest.raises(Refused):
        # whoever knows the weights could pick single rows with them
        (mine * table["age"]).sum().reveal()
    assert np.array_equal(flags.reveal(), np.arange(400).reshape(20, 20) % 3 == 0)
    assert np.allclose(mine.reveal(), weights, atol=2**-16)
    private = [info.name for info in net.datasets() if info.name.startswith("private-")]
    assert len(private) == 2
    net.close()
    with pytest.raises(ValueError, match="closed"):
        table["age"].mean().reveal()


def test_own_arrays_go_with_the_session(net: RemoteSession) -> None:
    assert not [info.name for info in net.datasets() if info.name.startswith("private-") and info.rows]


def test_what_a_job_took(table: Table, net: RemoteSession) -> None:
    (table["age"] * table["bmi"]).sum().reveal()
    assert net.last_job is not None
    assert net.last_job.rounds == 1
    assert net.last_job.bytes_per_party > 0
    assert "contract" in net.last_job.operations or "multiply" in net.last_job.operations
    infos = net.job(net.last_job.job)
    assert [info.state for info in infos] == ["done"] * 3
    assert net.jobs()[0].job == net.last_job.job


def test_random_values_at_nodes(table: Table, net: RemoteSession, frame: pd.DataFrame) -> None:
    """They rest on no row; kept, they stay as they are; rows that a random mask chooses are no aggregate."""
    noise = net.uniform((), low=-5, high=5)
    drawn, hidden = tc.reveal(noise, table["age"].sum() + noise)
    assert hidden == frame.age.sum() + drawn and -5 <= drawn < 5
    kept = net.bernoulli(len(frame), 0.25).persist()
    mask = kept.reveal()
    assert np.array_equal(kept.reveal(), mask) and 30 < mask.sum() < 180
    assert net.normal((2, 3)).reveal().shape == (2, 3)
    for chosen in (kept, net.bernoulli(len(frame))):
        with pytest.raises(Refused, match="row"):
            tc.where(chosen, table["age"], 0).sum().reveal()


def test_several_jobs_at_a_time(table: Table, frame: pd.DataFrame) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4, thread_name_prefix="asking") as pool:
        found = list(pool.map(lambda k: int((table["age"] * k).sum().reveal()), range(1, 5)))
    assert found == [k * frame.age.sum() for k in range(1, 5)]


def test_held_jobs_are_fetched_later(patients: Nodes, frame: pd.DataFrame, tmp_path: Path) -> None:
    who = patients.people["owner2"]
    with tc.connect(patients.federation, who, profile="lan", remember=tmp_path / "jobs") as net:
        with pytest.raises(Held, match="is held by a") as held:
            net.table("patients")["bmi"].mean().reveal()
        job = held.value.job
        assert held.value.nodes == ("a", "b", "c")
        with pytest.raises(Held):
            net.fetch(job)
        for name in "abc":
            answer = patients.request(
                name, "operator", "POST", f"/v1/admin/jobs/{job}/approve", json={"reason": "fine"}
            )
            assert answer.status_code == 200, answer.text
            patients.forget_connections(name)
    with tc.connect(patients.federation, who, profile="lan", remember=tmp_path / "jobs") as net:
        (mean,) = net.fetch(job)
        assert mean == pytest.approx(frame.bmi.mean(), rel=1e-5)
    with tc.connect(patients.federation, who, profile="lan") as net, pytest.raises(InputError, match="no ticket"):
        net.fetch(job)


def test_a_job_that_an_operator_denies(patients: Nodes) -> None:
    with tc.connect(patients.federation, patients.people["owner2"], profile="lan") as net:
        with pytest.raises(Held) as held:
            net.table("patients")["age"].mean().reveal()
        patients.request("b", "operator", "POST", f"/v1/admin/jobs/{held.value.job}/deny", json={"reason": "no"})
        patients.forget_connections("b")
        with pytest.raises(Refused, match="no") as refused:
            net.fetch(held.value.job)
        assert refused.value.node == "b"


def test_strangers_and_wrong_files(patients: Nodes, tmp_path: Path) -> None:
    with tc.connect(patients.federation, patients.people["nobody"]) as net, pytest.raises(tc.TercetError, match="not"):
        net.datasets()
    other = Federation.model_validate({**patients.federation.model_dump(), "name": "another"})
    with pytest.raises(ConfigError, match="another federation file"):
        tc.connect(other, patients.people["analyst"])
    with pytest.raises(ConfigError, match="profile 'moon' is not known"):
        tc.connect(patients.federation, patients.people["analyst"], profile="moon")
    with pytest.raises(ConfigError):
        tc.connect(tmp_path / "none.toml", patients.people["analyst"])
    nodes = patients.federation.model_dump()["nodes"]
    nowhere = {**nodes[2], "url": "https://127.0.0.1:9"}
    moved = Federation.model_validate({**patients.federation.model_dump(), "nodes": (*nodes[:2], nowhere)})
    with pytest.raises(Unreachable, match="node c cannot be reached"):
        tc.connect(moved, patients.people["analyst"])


def test_a_table_that_has_changed(patients: Nodes) -> None:
    """What was looked at before an append stays as it was; after a withdrawal it is gone, and the message says so."""
    with (
        tc.connect(patients.federation, patients.people["owner"], profile="lan") as owner,
        tc.connect(patients.federation, patients.people["owner2"], profile="lan") as second,
        tc.connect(patients.federation, patients.people["analyst"], profile="lan") as net,
    ):
        rows = {"x": list(range(100))}
        owner.upload(rows, dataset="growing", schema=infer(rows).schema)
        before = net.table("growing")
        second.upload(rows, dataset="growing", mode="append")
        after = net.table("growing")
        assert after["x"].sum().reveal() == 2 * sum(range(100))
        assert before["x"].sum().reveal() == sum(range(100))
        second.withdraw("growing")
        with pytest.raises(InputError, match="growing"):
            after["x"].sum().reveal()
        assert net.table("growing")["x"].sum().reveal() == sum(range(100))


def test_two_nodes_that_differ_are_named(table: Table, net: RemoteSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte of a tag is changed on its way: the two holders of that component are named, and no result is given."""
    from tercet.client import asking

    original = asking.open_result

    def tampered(member: Any, job: str, output: int, party: Any, box: bytes) -> bytes:
        data = bytearray(original(member, job, output, party, box))
        if party == 2:
            data[-1] ^= 1
        return bytes(data)

    monkeypatch.setattr(asking, "open_result", tampered)
    with pytest.raises(tc.IntegrityError, match="nodes b and c hold different copies of component 3"):
        table["age"].mean().reveal()


def test_nothing_secret_is_printed(net: RemoteSession) -> None:
    assert repr(net) == f"RemoteSession(open, {net.nodes.federation.name}, analyst)"
    assert "KEY" not in repr(net.nodes.member)
