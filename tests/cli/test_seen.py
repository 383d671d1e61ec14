"""What the demo shows of the nodes' view."""

from __future__ import annotations

import secrets

import numpy as np

from tercet.cli.report import BINS, Component, distribution
from tercet.sharing import PARTIES

WORDS = 10_000


def test_uniform_words_look_uniform() -> None:
    components = [Component.of(party, secrets.token_bytes(8 * WORDS), 8) for party in PARTIES]
    assert [component.number for component in components] == [1, 2, 3]
    assert [component.holders for component in components] == [(3, 1), (1, 2), (2, 3)]
    for component in components:
        assert abs(component.one_bits - 0.5) < 6 * 0.5 / np.sqrt(64 * WORDS)
        expected = WORDS / BINS
        chi_squared = ((component.histogram - expected) ** 2 / expected).sum()
        assert chi_squared < 60  # 15 degrees of freedom: exceeded once in three million runs
        assert len(component.sample) == 16


def test_words_that_are_not_would_show() -> None:
    plain = np.arange(WORDS, dtype="<u8").tobytes()
    component = Component.of(PARTIES[0], plain, 8)
    assert component.one_bits < 0.2
    assert component.histogram[0] == WORDS


def test_the_sample_is_the_first_word_from_its_top() -> None:
    component = Component.of(PARTIES[0], bytes.fromhex("efcdab8967452301") + bytes(8), 8)
    assert component.sample == "0123456789abcdef"


def test_nothing_of_it_prints() -> None:
    component = Component.of(PARTIES[0], secrets.token_bytes(80), 8)
    assert "histogram" not in repr(component)
    assert component.sample not in repr(component)


def test_wide_words() -> None:
    assert Component.of(PARTIES[1], secrets.token_bytes(16 * 60), 16).histogram.sum() == 60


def test_plain_values_by_their_bounds() -> None:
    assert distribution(np.array([0.0, 0.1, 99.0]), (0.0, 100.0))[[0, BINS - 1]].tolist() == [2, 1]
