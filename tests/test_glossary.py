"""Public names are made of the words of the glossary in docs/concepts.md, and every word of it is met somewhere."""

from __future__ import annotations

import functools
import pkgutil
import re
import warnings
from collections.abc import Iterator
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import sklearn
import typer.main

import tercet
from source_files import modules
from tercet import linalg, nn, special, stats
from tercet.cli.app import app

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8").partition("## Glossary")[2]
ROW = re.compile(r"^\| ([a-z, ]+) \| (.+) \| (.+) \|$", re.MULTILINE)
GENERAL = re.compile(r"^- of \w+: (.*)[;.]$", re.MULTILINE)
ENDINGS = ("", "s", "es", "d", "ed", "er", "ing", "ment")
"""Of an English word in a name: datasets, emulated."""


@functools.cache
def terms() -> dict[str, str]:
    """The words of the table, each with where it is met; `meaning` in the head of the table is none."""
    return {word: row[2] for row in ROW.findall(PAGE) for word in row[0].split(", ") if word != "word"}


@functools.cache
def general() -> set[str]:
    """The words that mean what they mean everywhere."""
    return {word for line in GENERAL.findall(PAGE) for word in line.split(", ")}


def words_of(name: str) -> list[str]:
    """SecretArray, linear_model and accept-head as words."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def known(word: str) -> bool:
    words = {part for term in terms() for part in term.split()} | general()
    return any(word == one + ending for one in words for ending in ENDINGS)


def commands(command: Any) -> Iterator[str]:
    for child, below in getattr(command, "commands", {}).items():
        yield child
        yield from commands(below)


def public_names() -> list[str]:
    theirs = {module.name for module in pkgutil.iter_modules(sklearn.__path__)}  # names that scikit-learn has chosen
    names = [name for name in tercet.__all__ if not name.startswith("_") and name not in theirs]
    return [
        *names,
        *special.__all__,
        *nn.__all__,
        *linalg.__all__,
        *stats.__all__,
        *commands(typer.main.get_command(app)),
    ]


@functools.cache
def names_of_peers() -> set[str]:
    """What SciPy, statsmodels, lifelines and scikit-learn call what we call so, too."""
    learn = ("base", "cluster", "compose", "decomposition", "discriminant_analysis", "ensemble", "impute", "isotonic")
    more = ("linear_model", "metrics", "mixture", "model_selection", "naive_bayes", "neighbors", "pipeline", "svm")
    parts = (*learn, *more, "calibration", "feature_selection", "preprocessing", "tree")
    peers = (
        "scipy.stats",
        "statsmodels.api",
        "statsmodels.formula.api",
        "statsmodels.stats.api",
        "statsmodels.stats.inter_rater",
        "lifelines",
        "lifelines.utils",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [import_module(name) for name in (*peers, "lifelines.statistics", *(f"sklearn.{one}" for one in parts))]
    return {name for peer in found for name in dir(peer) if not name.startswith("_")} | set(parts)


OTHERS = {"p", "lan", "wan", "emulated", "linear", "regression", "accept"}
"""Parts of public names that stand for nothing by themselves: each is explained beside its whole name."""


@pytest.mark.parametrize("name", sorted(set(public_names())))
def test_a_public_name_is_made_of_words_of_the_glossary(name: str) -> None:
    unknown = [word for word in words_of(name) if not known(word) and word not in OTHERS]
    assert not unknown or name in names_of_peers(), (
        f"{name}: add {unknown} to the glossary of docs/concepts.md, or use one of its words"
    )


def test_the_glossary_is_read() -> None:
    assert len(terms()) > 40
    assert len(general()) > 20
    assert words_of("SecretArray") == ["secret", "array"] and words_of("LAN") == ["lan"]
    assert words_of("linear_model") == ["linear", "model"] and words_of("accept-head") == ["accept", "head"]


@functools.cache
def package_text() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in modules())


@functools.cache
def whole_command() -> Any:
    return typer.main.get_command(app)


@pytest.mark.parametrize("word", sorted(terms()))
def test_a_word_of_the_glossary_is_met_where_it_says(word: str) -> None:
    """Its places are names of the package, commands that exist, pages, or arguments and attributes in the code."""
    sources, everything = package_text(), whole_command()
    for place in re.findall(r"`([^`]+)`", terms()[word]):
        if place.startswith("tercet "):
            command = everything
            for part in place.split()[1:]:
                command = getattr(command, "commands", {}).get(part)
                assert command is not None, f"{word}: there is no command {place}"
        elif place.startswith("tc."):
            assert attrgetter(place.removeprefix("tc."))(tercet), f"{word}: there is no {place}"
        else:
            last = re.split(r"[.=(]", place.rstrip("()"))[0 if "=" in place else -1]
            assert re.search(rf"\b{last}\b", sources), f"{word}: nothing in the package is called {last}"
    for page in re.findall(r"\]\(([\w/.-]+)\)", terms()[word]):
        assert (ROOT / "docs" / page).exists()


def test_words_stand_once() -> None:
    rows = [word for row in ROW.findall(PAGE) for word in row[0].split(", ")]
    assert len(rows) == len(set(rows))
    assert not set(rows) & general()


def test_general_words_are_used() -> None:
    """Each is part of a public name; a word that no name has any more is taken off the page."""
    parts = {part for name in public_names() for part in words_of(name)}
    unused = [word for word in general() if not any(word + ending in parts for ending in ENDINGS)]
    assert not unused
