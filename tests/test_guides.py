"""The guides are done as they stand: three folders are three machines, and owner and analyst have one each.

Comments in the pages, which readers do not see, say where a block runs: `run: FOLDER` (the block after it),
`start: FOLDER` (`tercet node run` there), `stop: FOLDERS`, `ready: FOLDERS`, `append: FILE` (the block after it goes
there), `by hand: FOLDER: COMMAND` (what the text tells people to do: send a file). Only the addresses are others.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
import pytest
import typer.main
from typer.testing import CliRunner

from tercet.cli.app import app
from tercet.federation.federation import Federation
from tercet.node import processes

GUIDES = Path(__file__).parents[1] / "docs" / "guides"
PAGES = ("operator", "owner", "analyst")
PLACES = ("a", "b", "c", "owner", "analyst")
HOSTS = {"tercet.hospital-a.example": 0, "tercet.hospital-b.example": 1, "tercet.university.example": 2}
STEP = re.compile(
    r"<!-- (run|start|stop|ready|append|by hand): (.*?) -->\n(?:```(\w+)\n(.*?)^```)?", re.DOTALL | re.MULTILINE
)
ALONE = ("start", "stop", "ready", "by hand")
PORTS = 4
ROWS = 120


@dataclass(frozen=True)
class Step:
    """One thing to do: `what`, where, and with which text."""

    what: str
    where: str
    language: str
    text: str


def steps(page: str) -> Iterator[Step]:
    for what, where, language, text in STEP.findall((GUIDES / f"{page}.md").read_text(encoding="utf-8")):
        assert what in ALONE or text, f"{page}: nothing stands behind {what}: {where}"
        yield Step(what, where, language, text)


class Machines:
    """The folders, and the nodes that run in them."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.patch = patch
        self.first_port = processes.free_ports(23_000, PORTS * len(HOSTS))
        for place in PLACES:
            (root / place).mkdir()
        command = root / "bin" / "tercet"
        command.parent.mkdir()
        command.write_text(f"#!{sys.executable}\nfrom tercet.cli import main\nmain()\n")
        command.chmod(0o755)
        source = str(Path(processes.__file__).parents[2])
        self.environment = {
            **os.environ,
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH", "")))),
            "COLUMNS": "150",
        }

    def do(self, step: Step) -> str:
        """Do one step; gives what it printed."""
        if step.what == "run":
            return self.run(step.where, step.text, step.language)
        if step.what == "by hand":
            place, _, command = step.where.partition(": ")
            return self.run(place, command, "sh")
        if step.what == "append":
            with (self.root / step.where).open("a", encoding="utf-8") as file:
                file.write(step.text)
        for place in step.where.split() if step.what in ("start", "stop") else ():
            if step.what == "start":
                with processes.starter() as starter:
                    processes.start(self.root / place, starter)
            else:
                processes.stop([self.root / place])
        if step.what == "ready":
            folders = [self.root / place for place in step.where.split()]
            running = [process for folder in folders if (process := processes.running(folder)) is not None]
            assert len(running) == len(folders)
            processes.await_ready(Federation.load(folders[0] / "federation.toml"), folders, running)
        return ""

    def run(self, place: str, text: str, language: str) -> str:
        """The lines of a block, one after the other; those that are plain commands of ours within this process."""
        text = self.local(text)
        if language != "sh":
            return self.outside(place, [sys.executable, "-c", text])
        return "".join(self.line(place, line) for line in text.splitlines())

    def line(self, place: str, line: str) -> str:
        if not line.startswith("tercet ") or re.search(r"[|<>;&]", re.sub(r"'.*?'|\".*?\"", "", line)):
            return self.outside(place, ["bash", "-euc", line])
        self.patch.chdir(self.root / place)
        done = CliRunner().invoke(app, shlex.split(line)[1:])
        assert done.exit_code == 0, f"{line}\n{done.output}"
        return done.output

    def outside(self, place: str, command: list[str]) -> str:
        folder = self.root / place
        done = subprocess.run(
            command, cwd=folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def local(self, text: str) -> str:
        """The same commands with addresses of this machine."""
        for host, number in HOSTS.items():
            port = self.first_port + PORTS * number
            here = f"127.0.0.1 --listen 127.0.0.1 --port {port} --worker-port {port + 1}"
            text = text.replace(f"--address {host}", f"--address {here}")
        return text

    def stop(self) -> None:
        processes.stop([self.root / place for place in PLACES])


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    made = Machines(tmp_path, monkeypatch)
    rng = np.random.default_rng(3)
    frame = pandas.DataFrame({"age": rng.integers(18, 90, ROWS), "bmi": rng.normal(28, 4, ROWS).round(1)})
    frame["sex"] = rng.choice(["f", "m"], ROWS)
    frame["progression"] = (frame.age * 0.4 + frame.bmi * 3 + rng.normal(size=ROWS)).round(2)
    frame.to_csv(tmp_path / "owner" / "patients.csv", index=False)
    try:
        yield made
    finally:
        made.stop()


def test_the_guides(machines: Machines) -> None:
    """The operators' guide up to its first look at jobs, the owner's, the analyst's, and the rest of the operators'."""
    operator = list(steps("operator"))
    first_jobs = next(place for place, step in enumerate(operator) if "tercet node jobs" in step.text)
    printed = {}
    for page, todo in (
        ("set-up", operator[:first_jobs]),
        ("owner", list(steps("owner"))),
        ("analyst", list(steps("analyst"))),
        ("day by day", operator[first_jobs:]),
    ):
        printed[page] = "".join(machines.do(step) for step in todo)
    assert "hospital-a (coordinates)" in printed["set-up"]
    assert f"{ROWS} rows, visible at all three nodes" in printed["owner"]
    assert "coefficient of" in printed["analyst"]
    assert "dr-weber" in printed["day by day"]
    assert "The records agree with each other" in printed["day by day"]
    # after the rotation of one node's keys everything works as before
    question = "SELECT AVG(age) AS answer FROM patients"
    assert "answer" in machines.run("analyst", f"tercet query '{question}' --identity dr-weber.pem", "sh")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_shown_is_one(page: str) -> None:
    """Also in blocks that are not run here: each command and option exists."""
    text = (GUIDES / f"{page}.md").read_text(encoding="utf-8")
    shown = re.findall(r"(?:^|`|\| )tercet ([a-z][^`\n|]*)", text, re.MULTILINE)
    assert shown
    for line in shown:
        command, words = typer.main.get_command(app), line.split()
        while words and hasattr(command, "commands"):
            assert words[0] in command.commands, f"{page}: tercet {line}"
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", " ".join(words)):
            assert option in known or option == "--help", f"{page}: {option} of tercet {line}"
