"""A plan for which this machine has too little memory is refused by name before it starts."""

from __future__ import annotations

import numpy as np
import pytest

import tercet as tc
from tercet.client import session
from tercet.errors import PlanError
from tercet.process import available_bytes


def test_a_sort_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with tc.local() as net:
        x = net.share(np.arange(1000)[::-1], bounds=(0, 1 << 20))
        monkeypatch.setattr(session, "_SMALL_BYTES", 1)
        monkeypatch.setattr(session, "available_bytes", lambda: 10_000)
        assert tc.explain(np.sort(x)).memory_bytes > 10_000
        with net.measure() as measured, pytest.raises(PlanError, match="bytes of memory at the three parties together"):
            np.sort(x).reveal()
        assert measured.rounds == 0
        monkeypatch.setattr(session, "available_bytes", lambda: None)
        assert np.array_equal(np.sort(x).reveal(), np.arange(1000))


def test_explain_says_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    with tc.local() as net:
        explained = tc.explain(np.sort(net.share(np.arange(100_000), bounds=(0, 1 << 20))))
        assert 10e6 < explained.memory_bytes < 100e6
        assert "memory a party: about" in str(explained)


def test_this_machine_says_what_it_has_left() -> None:
    assert (available_bytes() or 1) > 0
