"""Uploads of ragged files, each in a fresh process: every one ends with a named error and exit status 1, by itself.

What once ended such a process by SIGABRT in some of a hundred runs was a reader's thread that called Python while the
interpreter ended. `benchmarks/ragged.py` does it hundreds of times, a test a few.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tercet.federation.federation import Federation
from tercet.store.schema import Schema

SCHEMA = Schema.parse(
    {
        "columns": [
            {"name": "age", "kind": "integer", "lo": 0, "hi": 120},
            {"name": "sex", "kind": "category", "categories": ["f", "m"]},
        ]
    }
)
SHAPES = ("short", "long", "late", "quote", "many", "short and infer")
_PYTHON = """
import sys
import tercet as tc
from tercet.client.infer import infer
from tercet.errors import TercetError
federation, identity, path, name, inferred, schema = sys.argv[1:]
try:
    if inferred == "yes":
        infer(path)
    with tc.connect(federation, identity) as net:
        net.upload(path, dataset=name, schema=schema)
except TercetError as error:
    print("told:", error.message)
    sys.exit(1)
"""
_CLI = "import sys; from tercet.cli import main; sys.exit(main())"
_TIMEOUT_S = 120.0


def ragged(shape: str, number: int) -> bytes:
    """A CSV file with a line that has too few or too many fields, at the beginning, or behind whole blocks."""
    draw = np.random.default_rng(number)
    rows = {"late": 400_000, "many": 60_000}.get(shape, int(draw.integers(2, 3000)))
    lines = [
        f"{age},{sex}" for age, sex in zip(draw.integers(18, 99, rows), draw.choice(["f", "m"], rows), strict=True)
    ]
    at = rows - 1 if shape == "late" else int(draw.integers(0, rows))
    if shape == "quote":
        lines[at] = '30,"f'
    elif shape == "many":
        lines[at::7] = ["30,f,x"] * len(lines[at::7])
    else:
        lines[at] = "30,f,m" if shape == "long" else "30"
    return ("age,sex\n" + "\n".join(lines) + "\n").encode()


def runs(federation: Federation, identity: Path, folder: Path, times: int) -> Iterator[tuple[str, str]]:
    """Do so many; give of each what was done and, if it did not end as it should, what came of it, else ""."""
    files = folder / "federation.toml", folder / "schema.toml", folder / "ragged.csv"
    federation.save(files[0])
    SCHEMA.save(files[1])
    for number in range(times):
        shape, through = SHAPES[number % len(SHAPES)], ("cli", "python")[(number + number // len(SHAPES)) % 2]
        files[2].write_bytes(ragged(shape, number))
        name = f"ragged{number}"
        if through == "cli":
            command = ["upload", files[2], "--dataset", name, "--schema", files[1]]
            if shape == "short and infer":
                command = ["schema", "infer", files[2], "--out", folder / f"{number}.toml"]
            else:
                command += ["--federation", files[0], "--identity", identity]
            program = [_CLI, *map(str, command)]
        else:
            inferred = "yes" if shape == "short and infer" else "no"
            program = [_PYTHON, *map(str, (files[0], identity, files[2], name, inferred, files[1]))]
        done = subprocess.run([sys.executable, "-c", *program], capture_output=True, timeout=_TIMEOUT_S, check=False)
        said = (done.stdout + done.stderr).decode(errors="replace")
        named = "ragged.csv" in said.replace("\n", "") and ("fields" in said or "quote" in said)
        good = done.returncode == 1 and named and "Traceback" not in said and "terminate" not in said
        yield f"{through}, {shape}", "" if good else f"exit status {done.returncode}: {said[-2000:]}"


def counted(found: Iterator[tuple[str, str]]) -> tuple[Counter[str], list[str]]:
    """How often what was done, and what went wrong."""
    count: Counter[str] = Counter()
    wrong = []
    for what, fault in found:
        count[what] += 1
        if fault:
            wrong.append(f"{what}: {fault}")
    return count, wrong
