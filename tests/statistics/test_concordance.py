"""Harrell's concordance beside lifelines'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lifelines.utils import concordance_index as reference

from tercet import stats
from tercet.errors import InputError


def rows(n: int = 120) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(5)
    scores = rng.integers(0, 30, n)
    times = np.ceil(rng.exponential(3 + scores)).astype(int)
    return times, scores, rng.random(n) < 0.6


def test_it_is_as_lifelines_has_it(net: Any) -> None:
    times, scores, observed = rows()
    shares = net.share(times, bounds=(0, 1000)), net.share(scores, bounds=(0, 31)), net.share(observed)
    for given in ((times, scores, observed), (times, scores), shares, shares[:2], (shares[0], scores, observed)):
        plain = (times, scores, observed)[: len(given)]
        found = stats.concordance_index(*given)
        assert float(found) == pytest.approx(reference(*plain), rel=1e-12)
        assert found.concordant + found.discordant <= found.pairs
    tied = stats.concordance_index(times, scores * 0, observed)
    assert tied.concordance == 0.5 and tied.concordant == tied.discordant == 0
    assert np.isnan(float(stats.concordance_index(times, scores, observed & False)))


def test_what_is_revealed_and_refused(net: Any) -> None:
    times, scores, _ = rows()
    found = stats.concordance_index(net.share(times, bounds=(0, 1000)), net.share(scores, bounds=(0, 31)))
    assert found.revealed is not None and set(found.revealed.numbers) == {"pairs", "concordant", "discordant"}
    few = np.zeros(120, bool)
    few[:3] = True
    some = np.arange(120) < 9
    net.cohort = 5
    try:
        lasted = net.share(times, bounds=(0, 1000))
        for given in ((lasted, scores, net.share(few)), (lasted, few * 1), (lasted, net.share(few)), (few * 1, lasted)):
            with pytest.raises(stats.SmallGroup):
                stats.concordance_index(*given)
        for shown in ((lasted, scores), (lasted, net.share(some)), (lasted, some * 1)):
            assert stats.concordance_index(*shown).pairs > 0
    finally:
        net.cohort = 0
    with pytest.raises(InputError, match="120 durations and 5 scores"):
        stats.concordance_index(times, scores[:5])
    with pytest.raises(InputError, match="2,000 rows, and pairs of 1,500"):
        stats.concordance_index(net.share(np.arange(2000), bounds=(0, 2000)), np.arange(2000))
    with pytest.raises(InputError, match="some values are missing"):
        stats.concordance_index(np.where(times > 5, np.nan, times), scores)
