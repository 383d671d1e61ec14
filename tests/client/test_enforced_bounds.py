"""Sessions whose bounds are enforced: the same results, and bounds that hold where an assumption is false."""

from __future__ import annotations

import numpy as np
import pytest

import tercet as tc
from tercet.errors import ConfigError
from tercet.linear_model import LinearRegression


def test_division_and_models_give_the_same_with_enforced_bounds() -> None:
    rng = np.random.default_rng(5)
    plain = rng.integers(0, 100, (60, 2))
    target = plain @ [3, -2] + rng.integers(-5, 6, 60)
    with tc.local(bounds="enforced") as session:
        x, y = session.share(plain, bounds=(0, 100)), session.share(target, bounds=(-300, 400))
        model = LinearRegression().fit(x, y)
        quotient = y / (x[:, 0] + 1)
        assert "not proven" not in str(quotient.explain()) and "not proven" not in str(model.coef_.explain())
        coef, ratio = tc.reveal(model.coef_, quotient)
        with pytest.raises(ConfigError, match="not known"):
            tc.local(bounds="believed")
    expected = np.linalg.lstsq(np.column_stack([plain, np.ones(60)]), target, rcond=None)[0][:2]
    np.testing.assert_allclose(coef, expected, atol=1e-6)
    np.testing.assert_allclose(ratio, target / (plain[:, 0] + 1), atol=2**-14)


def test_a_false_assumption_is_drawn_in() -> None:
    with tc.local(bounds="enforced") as session:
        x = session.share(np.array([-50, 3, 99]), bounds=(-100, 100))
        assert tc.assume(x, (0, 10)).reveal().tolist() == [0, 3, 10]


def test_clip_makes_the_bounds_of_a_claimed_value_true() -> None:
    with tc.local() as session:
        x = session.share(np.array([-50.25, 3.5, 99]), bounds=(-100, 100), frac_bits=8)
        claimed = tc.assume(x, (0, 16))
        clipped = tc.array.clip(claimed, 0, 10.5)
        assert clipped.node.operation.name == "clip" and not clipped.node.type.claimed
        assert clipped.reveal().tolist() == [0, 3.5, 10.5]
        assert tc.array.clip(x, 0, 10.5).node.operation.name != "clip"


def test_explain_says_on_what_bounds_rest() -> None:
    with tc.local() as session:
        x = session.share(np.arange(9), bounds=(0, 100))
        assert "proven" in str(x.sum().explain())
        said = str(tc.assume(x.sum(), (0, 50)).explain())
        assert "1 bound is claimed and not proven" in said and "nothing more is revealed" in said
        wide = session.share(np.arange(9000), bounds=(0, 1 << 26))
        narrow = tc.assume(wide, (0, 1 << 25))
        total = (narrow * wide).sum()
        assert "factors are lifted" in str(total.explain())
        assert int(total.reveal()) == int((np.arange(9000, dtype=object) ** 2).sum())
