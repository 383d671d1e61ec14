"""NIST's reference sets (StRD) with their certified values, as far as they are shipped, short, or made by a rule."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import statsmodels.api as sm

NORRIS = """
0.1 0.2 338.8 337.4 118.1 118.2 888.0 884.6 9.2 10.1 228.1 226.5 668.5 666.3 998.5 996.3 449.1 448.6 778.9
777.0 559.2 558.2 0.3 0.4 0.1 0.6 778.1 775.5 668.8 666.9 339.3 338.0 448.9 447.5 10.8 11.6 557.7 556.0 228.3
228.1 998.0 995.8 888.8 887.6 119.6 120.2 0.3 0.3 0.6 0.3 557.6 556.8 339.3 339.1 888.0 887.2 998.5 999.0
778.9 779.0 10.2 11.1 117.6 118.3 228.9 229.2 668.4 669.1 449.2 448.9 0.2 0.5
"""
"""y and x in turn."""
ERRORS = np.array([759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048, -2048])
ERRORS = np.append(ERRORS, [1838, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 759])
POWERS = np.arange(21)[:, None] ** np.arange(1, 6)
WAMPLER_ERRORS = [
    2152.32624678170,
    2363.55173469681,
    779.343524331583,
    101.475507550350,
    5.64566512170752,
    0.112324854679312,
]
FILIP = """
-1467.48961422980 -2772.17959193342 -2316.37108160893 -1127.97394098372 -354.478233703349 -75.1242017393757
-10.8753180355343 -1.06221498588947 -0.670191154593408E-01 -0.246781078275479E-02 -0.402962525080404E-04
298.084530995537 559.779865474950 466.477572127796 227.204274477751 71.6478660875927 15.2897178747400
2.23691159816033 0.221624321934227 0.142363763154724E-01 0.535617408889821E-03 0.896632837373868E-05
"""
"""Certified coefficients, then their errors."""
PONTIUS = [0.673565789473684e-03, 0.732059160401003e-06, -0.316081871345029e-14]
PONTIUS_ERRORS = [0.107938612033077e-03, 0.157817399981659e-09, 0.486652849992036e-16]
SHORT: dict[str, Any] = json.loads(Path(__file__).with_name("nist.json").read_text())
VARIANCE = ("SiRstv", "AtmWtAg", *(f"SmLs0{place}" for place in range(1, 10)))


@dataclass(frozen=True)
class Linear:
    """A linear regression: columns, y, whether there is a constant; certified coefficients and standard errors."""

    name: str
    x: Any
    y: Any
    constant: bool
    coef: list[float]
    errors: list[float]


def _numbers(text: str) -> Any:
    return np.array(text.split(), dtype=float)


def linear() -> Iterator[Linear]:
    y, x = _numbers(NORRIS).reshape(-1, 2).T
    coef, errors = [-0.262323073774029, 1.00211681802045], [0.232818234301152, 0.429796848199937e-3]
    yield Linear("Norris", x[:, None], y, True, coef, errors)
    data = SHORT["regression"]["Pontius"]
    x = _numbers(data["x"])
    yield Linear("Pontius", np.stack([x, x**2], axis=1), _numbers(data["y"]), True, PONTIUS, PONTIUS_ERRORS)
    x = np.arange(60, 71)
    yield Linear("NoInt1", x[:, None], x + 70, False, [2.07438016528926], [0.165289256198347e-1])
    x = np.array([[4], [5], [6]])
    yield Linear("NoInt2", x, np.array([3, 4, 4]), False, [0.727272727272727], [0.420827318078432e-1])
    data = SHORT["regression"]["Filip"]
    certified = _numbers(FILIP)
    powers = _numbers(data["x"])[:, None] ** np.arange(1, 11)
    yield Linear("Filip", powers, _numbers(data["y"]), True, certified[:11].tolist(), certified[11:].tolist())
    shipped = sm.datasets.longley.load_pandas()
    coef = [-3482258.63459582, 15.0618722713733, -0.358191792925910e-1, -2.02022980381683, -1.03322686717359]
    errors = [890420.383607373, 84.9149257747669, 0.334910077722432e-1, 0.488399681651699, 0.214274163161675]
    coef, errors = [*coef, -0.511041056535807e-1, 1829.15146461355], [*errors, 0.226073200069370, 455.478499142212]
    yield Linear("Longley", shipped.exog.to_numpy(), shipped.endog.to_numpy(), True, coef, errors)
    smooth = 1 + POWERS.sum(axis=1)
    tenths = np.round(1 + POWERS @ 10.0 ** -np.arange(1, 6), 5)
    yield Linear("Wampler1", POWERS, smooth, True, [1.0] * 6, [0.0] * 6)
    yield Linear("Wampler2", POWERS, tenths, True, [1, 0.1, 0.01, 0.001, 0.0001, 0.00001], [0.0] * 6)
    for number, size in ((3, 1), (4, 100), (5, 10_000)):
        errors = [size * one for one in WAMPLER_ERRORS]
        yield Linear(f"Wampler{number}", POWERS, smooth + size * ERRORS, True, [1.0] * 6, errors)


def univariate() -> Iterator[tuple[str, list[int], int, float, float]]:
    """Name, whole numbers, so many decimals that they have, certified mean and standard deviation (n - 1)."""
    for name, data in SHORT["univariate"].items():
        texts = data["values"].split()
        decimals = max(len(one.partition(".")[2]) for one in texts)
        whole = [round(float(one) * 10**decimals) for one in texts]
        yield name, whole, decimals, float(data["mean"]), float(data["std"])
    yield "NumAcc1", [10000001, 10000003, 10000002], 0, 10000002.0, 1.0
    for number, level in ((2, 12), (3, 10000002), (4, 100000002)):
        yield f"NumAcc{number}", [level, *[level - 1, level + 1] * 500], 1, level / 10, 0.1


def variance(name: str) -> tuple[Any, Any, int, float]:
    """Groups, whole numbers, so many decimals that they have, and the certified F of an analysis of variance; as SciPy
    ships them."""
    text = files("scipy.stats.tests.data").joinpath(f"nist_anova/{name}.dat").read_text()
    found = re.search(r"Between \w+\s+\d+\s+\S+\s+\S+\s+(\S+)", text)
    assert found is not None
    rows = [line.split() for line in text.splitlines()[60:] if line.strip()]
    decimals = max(len(response.partition(".")[2]) for _, response in rows)
    # by text, as 15 digits and more are not held by floats times a power of ten
    whole = [int(one) * 10**decimals + int(part.ljust(decimals, "0") or 0) for one, part in map(_parts, rows)]
    return np.array([int(group) for group, _ in rows]), np.array(whole), decimals, float(found.group(1))


def _parts(row: list[str]) -> tuple[str, str]:
    whole, _, part = row[1].partition(".")
    return whole, part


def digits(found: Any, certified: Any) -> float:
    """The least number of digits that agree; of a certified 0 those behind the point. From 0 to 15."""
    wanted = np.asarray(certified, dtype=float)
    error = np.abs(np.asarray(found) - wanted) / np.where(wanted == 0, 1, np.abs(wanted))
    if not np.isfinite(error).all():
        return 0.0
    return max(0.0, min(15.0, *(-math.log10(max(one, 1e-15)) for one in np.atleast_1d(error)))) if error.size else 15.0
