"""Invented payments by card at the terminals of four banks, with facts of the field: one card pays at shops of several
banks, amounts are skewed and differ from card to card, and whoever has stolen a card tries it with small payments, then
pays much, in short order, abroad or online, at shops of whichever bank comes first.

Nobody in these files exists. Fraud is far more frequent than it is (one payment in twenty, not one in a thousand), so
that few rows are enough. The same seed gives the same files everywhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

BANKS = ("city", "harbour", "north", "valley")
COUNTRIES = ("at", "br", "ch", "de", "fr", "it", "us", "vn")
"""Home is de; the others are where people travel to, and where stolen cards are used."""
CARDS = 400
DAYS = 14
STOLEN = 30
"""How many of the cards are stolen."""
NEW = 60
"""How many payments of the last hours one bank has not judged yet."""
COLUMNS = ["bank", "card", "minute", "amount", "country", "online", "fraud"]


def honest(rng: np.random.Generator) -> pd.DataFrame:
    """What cards pay in two weeks by the people they belong to."""
    often, usual = rng.gamma(2, 4, CARDS), rng.lognormal(3.2, 0.5, CARDS)
    card = np.repeat(np.arange(CARDS), rng.poisson(often))
    # a few travel, for some days
    abroad, away, leaves = (
        rng.random(CARDS) < 0.12,
        rng.integers(0, len(COUNTRIES), CARDS),
        rng.integers(0, DAYS, CARDS),
    )
    day = rng.integers(0, DAYS, len(card))
    minute = day * 1440 + np.clip(rng.normal(15 * 60, 210, len(card)), 0, 1439).astype(int)
    travels = abroad[card] & (day >= leaves[card]) & (day < leaves[card] + 4)
    amount = usual[card] * rng.lognormal(0, 0.8, len(card))
    country = np.where(travels, away[card], COUNTRIES.index("de"))
    return frame(rng, card, minute, amount, country, rng.random(len(card)) < 0.25, "no")


def stolen(rng: np.random.Generator) -> pd.DataFrame:
    """Small payments, then large ones, within an hour or two."""
    parts = []
    for place, card in enumerate(rng.choice(CARDS, STOLEN, replace=False)):
        count = int(rng.integers(3, 9))
        # of some the theft is of the last afternoon
        first = DAYS * 1440 - 600 if place < STOLEN // 6 else 1440
        minute = int(rng.integers(first, DAYS * 1440 - 300)) + np.sort(rng.integers(0, 100, count))
        small = np.arange(count) < rng.integers(1, 3)
        amount = np.where(small, rng.uniform(1, 12, count), rng.lognormal(5.2, 0.7, count))
        country = rng.choice(len(COUNTRIES), count, p=[0.04, 0.2, 0.04, 0.3, 0.06, 0.06, 0.2, 0.1])
        parts.append(frame(rng, np.full(count, card), minute, amount, country, rng.random(count) < 0.6, "yes"))
    return pd.concat(parts)


def frame(
    rng: np.random.Generator,
    card: np.ndarray,
    minute: np.ndarray,
    amount: np.ndarray,
    country: np.ndarray,
    online: np.ndarray,
    fraud: str,
) -> pd.DataFrame:
    """Payments, each at a shop of whichever bank."""
    return pd.DataFrame(
        {
            "bank": rng.choice(BANKS, len(card), p=[0.3, 0.25, 0.25, 0.2]),
            "card": card,
            "minute": minute,
            "amount": np.clip(amount, 0.5, 4_999).round(2),
            "country": np.asarray(COUNTRIES)[country],
            "online": np.where(online, "yes", "no"),
            "fraud": fraud,
        }
    )


def payments(seed: int = 2026) -> pd.DataFrame:
    """All payments of two weeks, by time."""
    rng = np.random.default_rng(seed)
    return pd.concat([honest(rng), stolen(rng)]).sort_values(["minute", "card"], kind="stable", ignore_index=True)


def split(seed: int = 2026) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Payments whose owners have said what was fraud, and the last ones at shops of the bank "city"."""
    every = payments(seed)
    last = every[every.bank == "city"].tail(NEW)
    return every.drop(last.index), last


def write(folder: Path, seed: int = 2026) -> list[Path]:
    """A file for each bank, one of new payments, the schemas that all agreed on, and what the nodes' policies say."""
    history, new = split(seed)
    files = [folder / f"{bank}.csv" for bank in BANKS]
    for file, bank in zip(files, BANKS, strict=True):
        history[history.bank == bank].to_csv(file, index=False)
    new.drop(columns="fraud").to_csv(folder / "new.csv", index=False)
    columns = {
        "bank": f'kind = "category"\ncategories = {list(BANKS)}',
        "card": f'kind = "integer"\nlo = 0\nhi = {CARDS - 1}',
        "minute": f'kind = "integer"\nlo = 0\nhi = {DAYS * 1440}',
        "amount": 'kind = "decimal"\nlo = 0\nhi = 5000\ndigits = 2',
        "country": f'kind = "category"\ncategories = {list(COUNTRIES)}',
        "online": 'kind = "bool"',
        "fraud": 'kind = "bool"',
    }
    for name, there in (("payments", COLUMNS), ("new", COLUMNS[:-1])):
        text = "\n\n".join(f'[[columns]]\nname = "{one}"\n{columns[one]}' for one in there)
        (folder / f"{name}.toml").write_text(text + "\n", encoding="utf-8")
    return files


POLICY = """\
[[owners]]
people = ["owner"]
datasets = ["payments"]
may = ["create", "append"]

[[owners]]
people = ["city"]
datasets = ["payments", "new"]
may = ["create", "append"]

# The banks' analyst: everything rests on 50 rows at least, and all answers together carry 20,000 bits.
[[rules]]
name = "fraud-study"
analysts = ["analyst"]
datasets = ["payments"]
min_rows = 50
cohort = 10
  [rules.budget]
  bits = 20_000

# A bank may see what all banks' payments say of its own new ones: a bit for each, and few such questions.
[[rules]]
name = "new-payments"
analysts = ["city"]
datasets = ["payments", "new"]
combine_datasets = true
min_rows = 50
keep = false
  [rules.budget]
  jobs = 5
  bits = 200
"""
