"""What commands print for scripts."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tercet.cli.output import print_json


def test_decimals_are_numbers_where_those_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([Decimal("990.00"), Decimal("0.1"), Decimal("12345678901234567.89")])
    assert json.loads(capsys.readouterr().out) == [990, 0.1, "12345678901234567.89"]


def test_numbers_that_json_does_not_have_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([{"AVG(age)": float("nan"), "n": 0}, (float("inf"), "nan", 1.5)])
    text = capsys.readouterr().out
    assert "NaN" not in text and "Infinity" not in text
    assert json.loads(text) == [{"AVG(age)": None, "n": 0}, [None, "nan", 1.5]]
