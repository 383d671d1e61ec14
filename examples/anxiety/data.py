"""Invented patients of four clinics, with facts of the field: GAD-7 items that hang together, more cases among women
and the young, items left out, treatment given up earlier by those without therapy, and scores that fall with it.

Nobody in these files exists. The same seed gives the same files everywhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

CLINICS = {"north": 420, "south": 380, "lake": 300, "city": 500}
"""Clinics and how many patients each has."""
ITEMS = [f"item{number}" for number in range(1, 8)]
WEEKS = 26
LEFT_OUT = 0.02
"""Which part of answers is missing."""


def patients(clinic: str, seed: int) -> pd.DataFrame:
    """One clinic's patients: answers before treatment, the total after it, and when treatment was given up."""
    rng = np.random.default_rng([seed, list(CLINICS).index(clinic)])
    people = CLINICS[clinic]
    female = rng.random(people) < 0.62
    age = np.clip(rng.gamma(6, 6.5, people) + 14, 18, 85).round().astype(int)
    therapy = rng.random(people) < 0.5
    burden = rng.normal(0, 1, people) + 0.35 * female - 0.012 * (age - 40)
    answers = burden[:, None] + rng.normal(0, 0.75, (people, 7)) + np.linspace(0.4, -0.4, 7)
    items = np.digitize(answers, [-0.4, 0.7, 1.5])
    change = np.where(therapy, 4.5, 1.5) + rng.normal(0, 2.5, people)
    after = np.clip(items.sum(axis=1) - change.round(), 0, 21).astype(int)
    weeks = np.ceil(rng.exponential(np.where(therapy, 60, 32), people)).clip(1, WEEKS).astype(int)
    frame = pd.DataFrame({"clinic": clinic, "sex": np.where(female, "female", "male"), "age": age})
    frame["therapy"] = np.where(therapy, "yes", "no")
    missing = rng.random((people, 7)) < LEFT_OUT
    for place, item in enumerate(ITEMS):
        frame[item] = pd.array(np.where(missing[:, place], pd.NA, items[:, place]), dtype="Int64")
    frame["after"] = after
    frame["weeks"] = weeks
    frame["gave_up"] = np.where(weeks < WEEKS, "yes", "no")
    return frame


def write(folder: Path, seed: int = 2026) -> list[Path]:
    """A file for each clinic, and the schema that all agreed on."""
    files = []
    for clinic in CLINICS:
        files.append(folder / f"{clinic}.csv")
        patients(clinic, seed).to_csv(files[-1], index=False)
    columns = [
        {"name": "clinic", "kind": "category", "categories": sorted(CLINICS)},
        {"name": "sex", "kind": "category", "categories": ["female", "male"]},
        {"name": "age", "kind": "integer", "lo": 18, "hi": 90},
        {"name": "therapy", "kind": "bool"},
        *({"name": item, "kind": "integer", "lo": 0, "hi": 3, "nullable": True} for item in ITEMS),
        {"name": "after", "kind": "integer", "lo": 0, "hi": 21},
        {"name": "weeks", "kind": "integer", "lo": 1, "hi": WEEKS},
        {"name": "gave_up", "kind": "bool"},
    ]
    (folder / "gad7.toml").write_text("\n".join(map(_table, columns)), encoding="utf-8")
    return files


def _table(column: dict[str, object]) -> str:
    lines = ["[[columns]]"]
    for key, value in column.items():
        if isinstance(value, bool):
            lines.append(f"{key} = {str(value).lower()}")
        elif isinstance(value, list):
            lines.append(f"{key} = [{', '.join(repr(one).replace(chr(39), chr(34)) for one in value)}]")
        else:
            lines.append(f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}")
    return "\n".join(lines) + "\n"
