"""Asks Tercet and other ways to compute on data that nobody may show the same questions, in one run on this machine.

`alternatives.py` prints what was measured; `--write` writes `docs/comparison.md`, its numbers, `docs/comparison.json`,
and of these what the playground shows; `--page` writes page and playground anew from the numbers, without measuring.
`--quick` takes a few rows, and of CKKS the questions that need one product at most, for a look and for tests.

Wants `pip install 'tercet[alternatives]'`; what is not installed is named and left out. `--spu PYTHON` and
`--crypten PYTHON` name Pythons that can import these peers. So that other work on the machine does not distort times:
`chrt -r 1 python benchmarks/alternatives.py --write`.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from compared import encrypted, federated, noise, peers, playground, sharing
from compared.page import page, shown_bytes, shown_error, shown_seconds
from compared.questions import QUESTIONS, SEED, Answer, Data, timed

DOCS = Path(__file__).resolve().parent.parent / "docs"
NUMBERS, PAGE = DOCS / "comparison.json", DOCS / "comparison.md"
COSTS = DOCS.parent / "src" / "tercet" / "web" / "play" / "static" / "costs.json"
"""Of the playground: prices, which are written by hand, and what encryption takes, which comes from the numbers."""
FULL, QUICK = (10_000, 10), (300, 2)
PAILLIER_ROWS = 500
QUICK_PAILLIER = (2, 1024)
"""Rows, and bits that are too few to be safe: their keys are made in a moment."""
Ask = Callable[[], Any]


def ways(data: Data, options: argparse.Namespace) -> dict[str, tuple[str, Ask]]:
    """Name in the numbers: the package that it needs, or "", and how it is asked."""
    few = options.quick
    found: dict[str, tuple[str, Ask]] = {
        "plain": ("", lambda: in_plain(data)),
        "tercet": ("", lambda: sharing.asked(data, repeats=1 if few else 5)),
        "federated": ("", lambda: federated.asked(data)),
        "ckks": ("tenseal", lambda: encrypted.by_ckks(data, deep=not few)),
        "paillier": ("phe", lambda: encrypted.by_paillier(data, *(QUICK_PAILLIER if few else (PAILLIER_ROWS,)))),
    }
    if not few:
        found["tercet, slow line"] = ("", lambda: sharing.asked(data, sharing.SLOW, repeats=3))
    for kind in ("spu", "crypten"):
        if python := getattr(options, kind):
            found[kind] = ("", lambda kind=kind, python=python: peers.asked(kind, python, data))
    return found


def in_plain(data: Data) -> dict[str, Answer]:
    """NumPy, where one machine sees all."""
    answers = {}
    for name in QUESTIONS:
        seconds, found = timed(lambda name=name: data.truth(name), 5)
        answers[name] = Answer(0, 0, seconds, 0, data.error(name, found))
    return answers


def measured(data: Data, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """All numbers; `missing` says of each way that was not measured why."""
    answers: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for kind in ("spu", "crypten"):
        if not getattr(options, kind):
            missing[kind] = f"not asked: --{kind} PYTHON names a Python that can import it"

    def attempted(name: str, package: str, ask: Ask) -> Any:
        if package and not installed(package):
            missing[name] = f"{package} is not installed: pip install 'tercet[alternatives]'"
            return None
        with console.status(name):
            try:
                return ask()
            except (RuntimeError, OSError, TimeoutError) as error:
                if name not in ("spu", "crypten"):
                    raise
                missing[name] = str(error)
                return None

    for name, (package, ask) in ways(data, options).items():
        if (found := attempted(name, package, ask)) is not None:
            answers[name] = {question: asdict(answer) for question, answer in found.items()}
    return {
        "date": datetime.date.today().isoformat(),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "real_time": real_time()},
        "rows": data.rows,
        "columns": data.columns,
        "seed": SEED,
        "versions": versions(),
        "answers": answers,
        "undecided": encrypted.undecided(data),
        "noise": attempted("noise", "opendp", lambda: noise.asked(data, 5 if options.quick else 200)),
        "read_back": federated.read_back(data),
        "missing": missing,
    }


def installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def versions() -> dict[str, str]:
    packages = ("tercet", "numpy", "tenseal", "phe", "gmpy2", "opendp")
    return {name: importlib.metadata.version(name) for name in packages if installed(name)}


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def real_time() -> bool:
    return os.sched_getscheduler(0) in (os.SCHED_RR, os.SCHED_FIFO)


def printed(numbers: dict[str, Any]) -> Table:
    table = Table("question", "way", "bring s", "bring bytes", "answer s", "answer bytes", "error")
    for question, words in QUESTIONS.items():
        for way, answers in numbers["answers"].items():
            if question in answers:
                one = answers[question]
                table.add_row(
                    words,
                    way,
                    shown_seconds(one["bring_s"]),
                    shown_bytes(one["bring_bytes"]),
                    shown_seconds(one["answer_s"]),
                    shown_bytes(one["answer_bytes"]),
                    shown_error(one["error"]),
                )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--quick", action="store_true", help="few rows, for a look")
    what.add_argument("--write", action="store_true", help="write the page and its numbers")
    what.add_argument("--page", action="store_true", help="write the page and the playground's part from the numbers")
    parser.add_argument("--spu", default="", help="a Python that can import spu and jax")
    parser.add_argument("--crypten", default="", help="a Python that can import crypten")
    options = parser.parse_args(arguments)
    console = Console(width=150)
    if options.page:
        write_from(json.loads(NUMBERS.read_text()))
        return 0
    numbers = measured(Data(*(QUICK if options.quick else FULL)), options, console)
    console.print(printed(numbers))
    for name in ("noise", "undecided", "read_back", "missing"):
        console.print(name, numbers[name])
    if options.write:
        if lost := {"ckks", "paillier", "noise"} & numbers["missing"].keys():
            console.print(f"the page wants all of it, and has no {', '.join(sorted(lost))}: nothing is written")
            return 1
        NUMBERS.write_text(json.dumps(numbers, indent=1) + "\n")
        write_from(numbers)
    return 0


def write_from(numbers: dict[str, Any]) -> None:
    """The page, and the playground's part, from the numbers."""
    PAGE.write_text(page(numbers))
    costs = {**json.loads(COSTS.read_text()), "encrypted": playground.encrypted(numbers)}
    COSTS.write_text(json.dumps(costs, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
