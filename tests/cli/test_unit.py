"""The unit of systemd."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from commands_of_cli import tercet, told

ROOT = Path(__file__).parents[2]


def test_the_file_in_deploy_is_what_the_command_prints() -> None:
    assert (ROOT / "deploy" / "tercet-node.service").read_text(encoding="utf-8") == tercet("node", "unit").stdout


def test_other_places() -> None:
    text = tercet("node", "unit", "--folder", "/srv/t", "--command", "/usr/bin/tercet", "--user", "nodes").stdout
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.read_string(text)
    service = parsed["Service"]
    assert service["ExecStart"] == "/usr/bin/tercet node run --node /srv/t/node.toml"
    assert service["ReadWritePaths"] == "/srv/t"
    assert service["User"] == "nodes"
    assert service["NoNewPrivileges"] == "true"


def test_paths_are_whole() -> None:
    assert "whole paths" in told("node", "unit", "--folder", "here")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "tercet-node.service"
    path.write_text(tercet("node", "unit", "--command", "/bin/true").stdout, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if "tercet-node" in line]
    assert not complaints
