"""Reading, checking and handing out tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest

from tercet.cli.tables import TrainingTable, checked, diabetes, hand_out, read
from tercet.errors import InputError

GOOD = "a,b,y\n" + "".join(f"{i},{i * i % 7},{3 * i - i * i % 7}.5\n" for i in range(12))


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refused(folder: Path, text: str | bytes, target: str = "y") -> InputError:
    with pytest.raises(InputError) as caught:
        checked(read(written(folder, text)), target)
    assert caught.value.hint
    return caught.value


def test_a_good_table(tmp_path: Path) -> None:
    table = checked(read(written(tmp_path, GOOD)), "y")
    assert table.feature_names == ("a", "b")
    assert table.features.shape == (12, 2)
    assert table.target[3] == 3 * 3 - 9 % 7 + 0.5
    assert table.features.dtype == table.target.dtype == np.float64


def test_columns_keep_their_order_around_the_target(tmp_path: Path) -> None:
    table = checked(read(written(tmp_path, GOOD)), "a")
    assert table.feature_names == ("b", "y")
    assert (table.target == np.arange(12)).all()


def test_bools_are_numbers(tmp_path: Path) -> None:
    text = "a,y\n" + "".join(f"{i % 3 == 0},{i}\n" for i in range(9))
    assert set(checked(read(written(tmp_path, text)), "y").features[:, 0]) == {0.0, 1.0}


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read(tmp_path / "absent.csv")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize("text", [b"", b"\n\n", b"a,y\n1,2\n1,2,3,4\n", b"a,y\n\xff\xfe,1\n"])
def test_not_a_table(tmp_path: Path, text: bytes) -> None:
    assert "is not a table of comma-separated values" in refused(tmp_path, text).message


def test_unknown_target(tmp_path: Path) -> None:
    error = refused(tmp_path, GOOD, "z")
    assert error.message == "there is no column 'z'"
    assert error.hint == "the columns are: a, b, y"


def test_only_the_target(tmp_path: Path) -> None:
    assert "is the only column" in refused(tmp_path, "y\n1\n2\n").message


def test_not_numeric_names_column_and_line_and_no_value(tmp_path: Path) -> None:
    error = refused(tmp_path, GOOD.replace("\n4,", "\nsecret,").replace("\n9,", "\nhidden,"))
    assert error.message == "column 'a' does not hold a number in line 6 and 1 more"
    assert "secret" not in str(error)


def test_empty_column(tmp_path: Path) -> None:
    assert refused(tmp_path, "a,b,y\n1,,2\n2,,3\n3,,5\n").message == "column 'b' is empty"


@pytest.mark.parametrize("gap", ["", "NaN", "NA"])
def test_gap(tmp_path: Path, gap: str) -> None:
    text = GOOD.replace("\n3,", f"\n{gap},")
    assert refused(tmp_path, text).message == "column 'a' holds nothing (NaN) in line 5"


def test_infinity(tmp_path: Path) -> None:
    assert refused(tmp_path, GOOD.replace("\n3,", "\n-inf,")).message == "column 'a' holds infinity in line 5"


def test_no_rows(tmp_path: Path) -> None:
    assert refused(tmp_path, "a,y\n").message == "0 rows are too few for 1 features"


def test_too_few_rows(tmp_path: Path) -> None:
    assert refused(tmp_path, "a,y\n1,2\n2,3\n3,5\n").message == "3 rows are too few for 1 features"


def test_a_constant_column(tmp_path: Path) -> None:
    text = "a,b,y\n" + "".join(f"{i},5,{i}\n" for i in range(9))
    assert refused(tmp_path, text).message == "column 'b' has one value in every row"


def test_columns_that_follow_from_others(tmp_path: Path) -> None:
    text = "a,b,c,y\n" + "".join(f"{i},{i * i},{1000 * i + i * i},{i}\n" for i in range(9))
    assert "are sums of multiples of others" in refused(tmp_path, text).message


def test_a_table_prints_no_values() -> None:
    table = TrainingTable(np.full((3, 2), 123.0), np.full(3, 456.0), ("a", "b"), "y")
    assert repr(table) == "TrainingTable(3 rows, 2 features, target 'y')"


def test_diabetes_among_three_hospitals(tmp_path: Path) -> None:
    frame = diabetes()
    assert frame.shape == (442, 11)
    owners = hand_out(frame, tmp_path, ("Hospital North", "Hospital East", "Hospital West"))
    assert [owner.path.name for owner in owners] == ["hospital-north.csv", "hospital-east.csv", "hospital-west.csv"]
    parts = [read(owner.path) for owner in owners]
    assert [len(part) for part in parts] == [148, 147, 147]
    assert np.array_equal(pandas.concat(parts).to_numpy(), frame.to_numpy())
