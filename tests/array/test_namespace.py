"""What arrays claim, refuse and show: the namespace, NumPy's protocols, types, errors, and nothing secret in a repr."""

from __future__ import annotations

import inspect
import pickle
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import tercet.array as tc
from array_strategies import check
from plan_trio import TrioSession
from tercet.errors import ConfigError, PlanError
from tercet.plan.network import Network

SECRETS = [31337, 31338, 31339]


@pytest.fixture
def session() -> TrioSession:
    return TrioSession()


@pytest.fixture
def x(session: TrioSession) -> Any:
    return session.share(SECRETS, bounds=(0, 100_000))


def test_namespace(x: Any) -> None:
    assert x.__array_namespace__() is tc
    assert x.__array_namespace__(api_version="2024.12") is tc
    with pytest.raises(ValueError, match="2019"):
        x.__array_namespace__(api_version="2019.01")
    natural = lambda name: [part.zfill(3) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
    assert tc.__all__ == sorted(tc.__all__, key=natural)
    for name in tc.__all__:
        assert hasattr(tc, name)
        found = getattr(tc, name)
        if inspect.isfunction(found):
            assert found.__doc__, name


def test_signatures_are_those_of_the_standard() -> None:
    """Every parameter of the standard's function stands in ours, of the same kind and with the same default."""
    ours_only = {"assume", "explain", "loop", "persist", "reveal", "fixed"}
    for name in tc.__all__:
        found = getattr(tc, name)
        reference = getattr(strict, name, None)
        if not inspect.isfunction(found) or name in ours_only or not inspect.isfunction(reference):
            continue
        here, there = inspect.signature(found).parameters, inspect.signature(reference).parameters
        keyword = [one for one in there.values() if one.kind is one.KEYWORD_ONLY]
        missing = {one.name for one in keyword} - set(here)
        assert missing <= {"device", "dtype", "copy"}, (name, missing)
        for one in keyword:
            if one.name in here and one.name != "device":
                assert here[one.name].default == one.default, (name, one.name)


def test_missing_functions_are_those_listed_as_missing() -> None:
    text = (Path(__file__).parents[2] / "docs" / "array-api-deviations.md").read_text()
    public = [name for name in strict.__all__ if not name.startswith("_")]
    for name in public:
        if not hasattr(tc, name):
            assert f"`{name}`" in text, f"{name} is missing and not listed in docs/array-api-deviations.md"


@pytest.mark.parametrize("call", [bool, float, int, complex, np.asarray, np.array])
def test_nothing_turns_plain_by_itself(x: Any, call: Any) -> None:
    with pytest.raises(TypeError, match="reveal"):
        call(x[0])


def test_other_ways_out_are_closed(x: Any) -> None:
    for call in (np.from_dlpack, pickle.dumps, hash, lambda a: range(3)[a], len_of_scalar):
        with pytest.raises(TypeError):
            call(x[0])
    with pytest.raises(TypeError, match=r"tc\.where"):
        if x[0] > 3:
            pass
    with pytest.raises(TypeError, match="share"):
        tc.SecretArray([1, 2])
    with pytest.raises(TypeError, match="share"):
        tc.asarray([1, 2])
    with pytest.raises(TypeError, match="write"):
        np.zeros(3).__iadd__(x)
    assert tc.asarray(x) is x


def len_of_scalar(x: Any) -> int:
    return len(x)


def test_nothing_secret_in_a_repr(x: Any) -> None:
    shown = [x, x * x, x.mean(), x > 31337, x.dtype, x.node, x.explain(), x.device]
    for one in shown:
        for secret in SECRETS:
            assert str(secret) not in f"{one!r} {one}"
    assert repr(x) == "SecretArray(int[3] in [0, 100000])"


def test_facts(session: TrioSession, x: Any) -> None:
    assert (x.shape, x.ndim, x.size, x.bounds, x.device) == ((3,), 1, 3, (0, 100_000), session)
    assert x.dtype == tc.int64
    assert (x > 1).dtype == tc.bool
    assert (x / 7).dtype == tc.float64
    assert x.mean().bounds == (0, 100_000)
    assert (x * 0.5).dtype == tc.fixed(16)
    assert session.share([0.5], frac_bits=40).dtype == tc.fixed(40)
    assert tc.result_type(x, 0.5) == tc.float64
    assert tc.result_type(x > 1, x) == tc.int64
    assert tc.isdtype(x.dtype, ("integral", "bool"))
    assert not tc.isdtype(x.dtype, "real floating")
    assert tc.can_cast(x > 1, tc.float64)
    assert not tc.can_cast(tc.float64, tc.int64)
    assert x.to_device(session) is x
    with pytest.raises(ValueError, match="session"):
        x.to_device("cpu")


def test_astype(session: TrioSession) -> None:
    x = session.share([1.5, -2.5, 0.0], bounds=(-10, 10))
    check(x.astype(tc.int64), np.array([1, -2, 0]))
    check(x.astype(bool), np.array([True, True, False]))
    check((x > 0).astype(int), np.array([1, 0, 0]))
    check((x > 0).astype(np.float64) * 0.5, np.array([0.5, 0, 0]))
    check(tc.astype(x, tc.fixed(40)), np.array([1.5, -2.5, 0.0]))
    assert tc.astype(x, tc.fixed(40)).frac_bits == 40
    with pytest.raises(TypeError, match="dtype"):
        x.astype("complex128")


def test_creation(session: TrioSession, x: Any) -> None:
    check(tc.zeros_like(x), np.zeros(3, int))
    check(tc.ones_like(x > 0), np.ones(3, bool))
    check(tc.full_like(x * 0.5, 2.5), np.full(3, 2.5))
    check(tc.full_like(x, 2), np.full(3, 2))
    assert tc.zeros_like(x).bounds == (0, 0)
    assert tc.zeros_like(x).explain().rounds == 0
    check(tc.tril(tc.ones_like(session.share(np.zeros((3, 3), int))), k=-1), np.tril(np.ones((3, 3), int), -1))
    check(tc.triu(tc.ones_like(session.share(np.zeros((3, 3), int)))), np.triu(np.ones((3, 3), int)))
    assert isinstance(tc.eye(3), np.ndarray)
    assert isinstance(tc.arange(3), np.ndarray)


def test_sessions_do_not_mix(x: Any) -> None:
    other = TrioSession().share([1, 2, 3])
    for call in (lambda: x + other, lambda: tc.concat([x, other]), lambda: tc.reveal(x, other)):
        with pytest.raises(ValueError, match="different sessions"):
            call()


def test_several_results_are_one_plan(session: TrioSession, x: Any) -> None:
    total, mean = tc.reveal(x.sum(), x.mean())
    assert (total, mean) == (sum(SECRETS), 31338)
    assert len(session.plans) == 1
    (kept,) = tc.persist(x * 2)
    assert kept.node.operation.name == "input"
    assert (kept.persist() - x).reveal().tolist() == SECRETS
    assert (x.mean().persist() * 2).reveal() == pytest.approx(2 * 31338, abs=1e-4)
    with pytest.raises(TypeError, match="ndarray"):
        tc.reveal(x, np.ones(3))


NUMPY = [
    lambda a: np.add(a, 1),
    lambda a: np.ones(3) + a,
    lambda a: np.float64(2) * a,
    lambda a: np.sum(a),
    lambda a: np.add.reduce(a),
    lambda a: np.mean(a, axis=0, keepdims=True),
    lambda a: np.concatenate([a, np.arange(2)]),
    lambda a: np.stack([a, a], axis=1),
    lambda a: np.matmul(a, np.arange(3)),
    lambda a: np.dot(np.arange(6).reshape(2, 3), a),
    lambda a: np.arange(6).reshape(2, 3) @ a,
    lambda a: np.outer(a, a),
    lambda a: np.inner(a, a),
    lambda a: np.clip(a, 1, 31338),
    lambda a: np.where(a > 31337, a, 0),
    lambda a: np.maximum(a, 31338),
    lambda a: np.square(a),
    lambda a: np.power(a, 2),
    lambda a: np.cumsum(a),
    lambda a: np.diff(a),
    lambda a: np.reshape(a, (3, 1)),
    lambda a: np.transpose(np.reshape(a, (3, 1))),
    lambda a: np.vstack([a, a]),
    lambda a: np.hstack([a, a]),
    lambda a: np.column_stack([a, a]),
    lambda a: np.ravel(a),
    lambda a: np.tile(a, 2),
    lambda a: np.repeat(a, 2),
    lambda a: np.roll(a, 1),
    lambda a: np.flip(a),
    lambda a: np.take(a, [2, 0]),
    lambda a: np.expand_dims(a, 0),
    lambda a: np.squeeze(np.expand_dims(a, 0)),
    lambda a: np.swapaxes(a[None], 0, 1),
    lambda a: np.any(a > 31338),
    lambda a: np.all(a > 31338),
    lambda a: np.max(a),
    lambda a: np.argmax(a),
    lambda a: np.prod(a),
    lambda a: np.var(a),
    lambda a: np.abs(-a),
    lambda a: np.negative(a),
    lambda a: np.sign(a - 31338),
    lambda a: np.round(a / 2),
    lambda a: np.logical_and(a > 1, a < 31339),
    lambda a: np.zeros_like(a),
    lambda a: np.count_nonzero(a - 31338),
    lambda a: np.isfinite(a),
]


@pytest.mark.parametrize("number", range(len(NUMPY)))
def test_numpy_functions(x: Any, number: int) -> None:
    result, expected = NUMPY[number](x), NUMPY[number](np.array(SECRETS))
    if isinstance(result, np.ndarray):
        assert np.array_equal(result, expected)
        return
    plain = result.reveal()
    assert plain.shape == np.shape(expected)
    assert np.allclose(np.asarray(plain, dtype=float), np.asarray(expected, dtype=float), rtol=1e-12)


@pytest.mark.parametrize("call", [np.i0, np.linalg.inv, np.spacing, np.unique, np.fft.fft])
def test_what_numpy_offers_and_we_do_not(x: Any, call: Any) -> None:
    with pytest.raises(TypeError, match="not offered for secret arrays"):
        call(x)


def test_misuse(session: TrioSession, x: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        x / 0
    with pytest.raises(ZeroDivisionError):
        x / np.array([1, 0, 2])
    with pytest.raises(TypeError, match="bools"):
        x & 3
    with pytest.raises(PlanError, match="one public number"):
        x ** np.array([1, 2, 3])
    with pytest.raises(PlanError, match="to powers of up to 100000 does not fit"):
        x**x
    with pytest.raises(TypeError):
        x + "1"
    with pytest.raises(TypeError):
        x + 1j
    with pytest.raises(PlanError, match="NaN"):
        x + np.nan
    with pytest.raises(PlanError, match="broadcast"):
        x + session.share([1, 2])
    with pytest.raises(ValueError, match="multiply"):
        x @ session.share([1, 2])
    with pytest.raises(TypeError, match="public number"):
        x // np.array([1, 2, 3])
    with pytest.raises(PlanError, match="exclude"):
        tc.assume(x, (-5, -1))
    with pytest.raises(PlanError, match="empty"):
        tc.assume(x, (5, 1))


def test_in_place_operators_make_new_arrays(x: Any) -> None:
    y = x
    y += 1
    y *= 2
    assert y.reveal().tolist() == [2 * value + 2 for value in SECRETS]
    assert x.reveal().tolist() == SECRETS


def test_pending_divisors_are_exact() -> None:
    session = TrioSession()
    x = session.share([1, 2, 10], bounds=(0, 10))
    third = x / 3
    assert third.divisor == Fraction(3)
    assert third.reveal().tolist() == [1 / 3, 2 / 3, 10 / 3]
    assert (third / 7 * 1).dtype == tc.float64
    assert (x / 0.1).reveal().tolist() == [float(Fraction(v) / Fraction(0.1)) for v in (1, 2, 10)]
    assert (x / -4)[::-1].reveal().tolist() == [-2.5, -0.5, -0.25]
    assert (third > 3).reveal().tolist() == [False, False, True]
    assert tc.max(x / -2).reveal() == -0.5
    assert tc.argmax(x / -2).reveal() == 0


def test_explain(session: TrioSession, x: Any) -> None:
    found = (((x > 31337) & (x < 50_000)).sum() + tc.assume(x, (0, 50_000)).sum()).explain()
    assert session.plans == []
    assert found.rounds == 5
    assert found.bytes_per_party > 0
    assert found.seconds("wan") > found.seconds("lan") > 0
    assert found.seconds(Network("slow", 1.0, 1e3)) > found.seconds("wan")
    with pytest.raises(ConfigError, match="known are lan, wan"):
        found.seconds("moon")
    assert [(one.shape, one.to) for one in found.reveals] == [((), "the analyst")]
    assert found.ring == 64
    assert [line for line in found.assumptions if "assumed by the analyst" in line]
    assert sum(row.bytes_per_party for row in found.operations) == pytest.approx(found.bytes_per_party)
    text = str(found)
    for word in ("rounds", "bytes a party", "becomes plain", "int[] in", "bound is claimed and not proven", "number"):
        assert word in text


def test_explain_in_a_terminal_and_a_notebook(x: Any) -> None:
    from io import StringIO

    from rich.console import Console

    found = (x * 0.5).sum().explain()
    console = Console(file=StringIO(), width=100)
    console.print(found)
    assert "bytes a party" in console.file.getvalue()  # type: ignore[attr-defined]
    html = found._repr_html_()
    assert html.count("<table") == 2
    assert "fixed[] f16 in" in html


def test_import_is_light() -> None:
    import subprocess
    import sys

    code = "import sys, tercet.array; print([m for m in ('rich', 'pandas', 'sklearn', 'pyarrow') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
