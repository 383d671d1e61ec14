"""Invented staff of five employers, with facts of the field: a pay gap part of which comes of hours, tenure and sector.

Nobody in these files exists. The same seed gives the same files everywhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

EMPLOYERS = {"hospital": 900, "bank": 700, "retail": 1100, "software": 600, "school": 700}
"""Employers and how many people work there."""
WOMEN = {"hospital": 0.72, "bank": 0.45, "retail": 0.6, "software": 0.25, "school": 0.66}
LEVEL = {"hospital": 3.3, "bank": 3.75, "retail": 2.9, "software": 3.9, "school": 3.2}
"""Pay an hour: logarithms of hourly pay of somebody without experience, in units of the invented country."""
GAP = 0.06
"""What women are paid less for the same, as a part."""


def staff(employer: str, seed: int) -> pd.DataFrame:
    """One employer's people: monthly pay, sex, age, years there, weekly hours, level of education."""
    rng = np.random.default_rng([seed, list(EMPLOYERS).index(employer)])
    people = EMPLOYERS[employer]
    female = rng.random(people) < WOMEN[employer]
    age = np.clip(rng.normal(42, 11, people), 18, 67).round().astype(int)
    tenure = np.minimum(rng.gamma(1.6, 5, people), age - 17).clip(0, 45).round(1)
    education = np.clip(rng.normal(LEVEL[employer], 0.8, people).round(), 1, 5).astype(int)
    # more women work part time
    hours = np.where(rng.random(people) < np.where(female, 0.42, 0.12), rng.integers(10, 33, people), 40)
    hourly = LEVEL[employer] * 4 + 1.5 * education + 0.22 * tenure + 0.08 * (age - 18)
    hourly = hourly * np.exp(rng.normal(0, 0.12, people)) * np.where(female, 1 - GAP, 1)
    return pd.DataFrame(
        {
            "employer": employer,
            "sex": np.where(female, "female", "male"),
            "age": age,
            "tenure": tenure,
            "education": education,
            "hours": hours,
            "pay": (hourly * hours * 52 / 12).round().clip(300, 15_000).astype(int),
        }
    )


def write(folder: Path, seed: int = 2026) -> list[Path]:
    """A file for each employer, and the schema that all agreed on."""
    files = []
    for employer in EMPLOYERS:
        files.append(folder / f"{employer}.csv")
        staff(employer, seed).to_csv(files[-1], index=False)
    (folder / "staff.toml").write_text(SCHEMA, encoding="utf-8")
    return files


SCHEMA = """\
# What the columns mean: agreed by all five, and public.
[[columns]]
name = "employer"
kind = "category"
categories = ["bank", "hospital", "retail", "school", "software"]

[[columns]]
name = "sex"
kind = "category"
categories = ["female", "male"]

[[columns]]
name = "age"
kind = "integer"
lo = 15
hi = 70

[[columns]]
name = "tenure"
kind = "decimal"
lo = 0
hi = 50
digits = 1

[[columns]]
name = "education"
kind = "integer"
lo = 1
hi = 5

[[columns]]
name = "hours"
kind = "integer"
lo = 1
hi = 60

[[columns]]
name = "pay"
kind = "integer"
lo = 0
hi = 20000
"""
