"""The coordinator begins a refresh by itself when its settings say so."""

from __future__ import annotations

from pathlib import Path

from node.jobs_at_nodes import Asked
from node.trio_nodes import NAMES, trio


def test_a_refresh_that_is_due_begins_by_itself(tmp_path: Path) -> None:
    with trio(tmp_path) as nodes:
        nodes.upload("kept-fresh", [list(range(10))])
        before = nodes.versions("kept-fresh")
        nodes.terminate()
        settings = tmp_path / NAMES[0] / "node.toml"
        settings.write_text(settings.read_text().replace("[refresh]", "[refresh]\nevery_hours = 0.0001"))
        nodes.start()
        nodes.wait_for(lambda: all(after not in before for after in nodes.versions("kept-fresh")))
        nodes.wait_for(lambda: len(set(nodes.versions("kept-fresh"))) == 1)
        assert Asked(nodes, "kept-fresh").sent().result() == 45
