"""What the demo shows of the servers' view."""

from __future__ import annotations

import numpy as np

from tercet.cli.seen import BINS, seen_by_servers


def test_words_are_uniform_whatever_the_data() -> None:
    values = np.zeros((200, 50))
    seen = seen_by_servers(values, (0.0, 512.0), 16)
    assert seen.plain_histogram[0] == values.size
    assert [component.number for component in seen.components] == [1, 2, 3]
    assert {component.holders for component in seen.components} == {(3, 1), (1, 2), (2, 3)}
    for component in seen.components:
        assert abs(component.one_bits - 0.5) < 6 * 0.5 / np.sqrt(64 * values.size)
        expected = values.size / BINS
        chi_squared = ((component.histogram - expected) ** 2 / expected).sum()
        assert chi_squared < 60  # 15 degrees of freedom: exceeded once in three million runs
        assert len(component.sample) == 16


def test_nothing_of_it_prints() -> None:
    seen = seen_by_servers(np.ones((3, 2)), (0.0, 2.0), 16)
    assert "histogram" not in repr(seen)
    assert all(component.sample not in repr(seen) for component in seen.components)


def test_wide_words() -> None:
    seen = seen_by_servers(np.ones((30, 2)), (0.0, 512.0), 60)
    assert all(component.histogram.sum() == 60 for component in seen.components)
