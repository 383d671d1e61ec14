"""Ragged files, uploaded in fresh processes: each ends by itself with an error that names the line."""

from __future__ import annotations

from pathlib import Path

from node.trio_nodes import Nodes
from ragged_uploads import SHAPES, counted, runs


def test_each_ends_with_a_named_error(three: Nodes, tmp_path: Path) -> None:
    count, wrong = counted(runs(three.federation, three.folder / "owner.pem", tmp_path, len(SHAPES)))
    assert not wrong and len(count) == len(SHAPES)
