"""Formulas as statsmodels and R have them, on secret columns: what stands in them is public, categories too.

The formula is taken apart by formulaic; what its factors say is read here, from a short list of operators and
functions. Nothing of it is evaluated as Python.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Final

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.design import Design, column, joined
from tercet.learn.inputs import array_namespace

MAX_LEVELS: Final = 200
FUNCTION_BITS: Final = 30
_OPERATORS: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS: Final = ("log", "log2", "log10", "log1p", "exp", "sqrt", "abs")
_SAID: Final = f"{', '.join(_FUNCTIONS)}, I(...), C(...) and bs(...)"


@dataclass(frozen=True, slots=True)
class _Categories:
    """A factor of categories: for each level a secret bool, and which level is the reference."""

    name: str
    levels: tuple[Any, ...]
    column: Any
    reference: int

    def of(self, *, full: bool) -> Iterator[tuple[str, Any]]:
        """A name and a column of 0 and 1 for each level; without the reference, unless all are wanted."""
        for place, level in enumerate(self.levels):
            if full or place != self.reference:
                yield f"{self.name}[{'' if full else 'T.'}{level}]", self.where(level)

    def where(self, level: Any) -> Any:
        if str(getattr(self.column, "dtype", "")).endswith("bool"):
            found = self.column if level else ~self.column
        else:
            found = self.column == level
        return found + 0 if isinstance(found, SecretArray) else np.asarray(found, dtype=float)


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A factor of numbers: one column, or several."""

    columns: tuple[tuple[str, Any], ...]

    def of(self, *, full: bool) -> Iterator[tuple[str, Any]]:
        return iter(self.columns)


def parsed(formula: str, data: Mapping[str, Any]) -> tuple[Any, str, Design]:
    """The outcome, its name, and the columns of a formula. `data`: a mapping of names to columns, or a table.

    Columns that are public categories (of a schema, or texts) and bools are coded by levels, the first of which is the
    reference, as in R; so are integers within `C(...)`, whose bounds give the levels. Where the constant, or a term
    beside, does not span them already, all levels get a column. Raises InputError for what is not offered.
    """
    try:
        from formulaic import Formula
        from formulaic.errors import FormulaSyntaxError
    except ImportError:
        raise InputError("formulas need the package formulaic", hint="pip install formulaic") from None
    try:
        found = Formula(formula)
        left, right = found.lhs, found.rhs
    except (FormulaSyntaxError, SyntaxError) as error:
        raise InputError(f"this is no formula: {formula}", hint=str(error).splitlines()[0]) from error
    except AttributeError:
        raise InputError(f"the formula {formula!r} has no outcome", hint="write y ~ x") from None
    if len(left) != 1 or len(left[0].factors) != 1:
        raise InputError(f"the formula {formula!r} has {len(left)} outcomes", hint="write one before the ~")
    reader = _Reader(data)
    name = left[0].factors[0].expr
    outcome = column(reader.numbers(name), name)
    terms = [[factor.expr for factor in term.factors] for term in right]
    constant = ["1"] in terms
    terms = [term for term in terms if term != ["1"]]
    columns = list(reader.columns(terms, constant=constant))
    spanned = not constant and any(all(isinstance(reader.factor(one), _Categories) for one in term) for term in terms)
    if not columns:
        raise InputError(f"the formula {formula!r} has no columns")
    names = tuple(one for one, _, _ in columns)
    design = joined([column(value, one) for one, value, _ in columns])
    places: dict[str, tuple[int, ...]] = {}
    for place, (_, _, term) in enumerate(columns):
        places[term] = (*places.get(term, ()), place)
    all_names = ("Intercept", *names) if constant else names
    return outcome, name, Design(design, all_names, 0 if constant else None, spanned, tuple(places.items()))


class _Reader:
    """Reads factors from columns; each once."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._known: dict[str, _Categories | _Numbers] = {}

    def columns(self, terms: Sequence[Sequence[str]], *, constant: bool) -> Iterator[tuple[str, Any, str]]:
        """Names, columns, terms: those of categories alone first, then those with numbers, as patsy orders them."""
        used: dict[frozenset[str], set[frozenset[str]]] = {frozenset(): {frozenset()} if constant else set()}
        buckets: dict[frozenset[str], list[Sequence[str]]] = {frozenset(): []}
        for term in terms:
            numbers = frozenset(text for text in term if isinstance(self.factor(text), _Numbers))
            buckets.setdefault(numbers, []).append(term)
        for numbers, several in buckets.items():
            for term in sorted(several, key=len):
                kinds = [text for text in term if text not in numbers]
                for coded in _codings(kinds, used.setdefault(numbers, set())):
                    chosen = [text for text in term if text in numbers or text in coded]
                    parts = [list(self.factor(text).of(full=coded.get(text, True))) for text in chosen]
                    yield from ((*_product(one), ":".join(term)) for one in _every(parts))

    def factor(self, text: str) -> _Categories | _Numbers:
        if text not in self._known:
            self._known[text] = self._read(text)
        return self._known[text]

    def numbers(self, text: str) -> Any:
        """A factor that is one column of numbers."""
        found = self.factor(text)
        if isinstance(found, _Categories):
            if str(getattr(found.column, "dtype", "")).endswith("bool"):
                return column(found.column, text)
            raise InputError(f"{text} is a column of categories, where numbers are wanted")
        if len(found.columns) != 1:
            raise InputError(f"{text} is {len(found.columns)} columns, where one is wanted")
        return found.columns[0][1]

    def _read(self, text: str) -> _Categories | _Numbers:
        if text in _names(self._data):
            return self._named(text, text)
        try:
            tree = ast.parse(text, mode="eval").body
        except SyntaxError as error:
            raise InputError(f"{text} is no factor that can be read", hint=f"there are {_SAID}") from error
        name, call = _called(tree)
        if name == "C" and call is not None:
            return self._categories(text, call)
        if name == "bs" and call is not None:
            return _Numbers(tuple(self._splines(text, call)))
        return _Numbers(((text, self._value(tree)),))

    def _named(self, text: str, name: str) -> _Categories | _Numbers:
        found = self._held(name)
        levels = _levels(found)
        if levels is not None:
            return _Categories(text, levels, found, 0)
        return _Numbers(((text, column(found, name)),))

    def _held(self, name: str) -> Any:
        """A column as it is given."""
        names = _names(self._data)
        if name not in names:
            raise InputError(f"there is no column {name}", hint=f"there are {', '.join(map(str, names))}")
        found = self._data[name]
        return found if isinstance(found, SecretArray) else np.asarray(found)

    def _value(self, tree: ast.expr) -> Any:
        """Arithmetic of columns and public numbers."""
        if isinstance(tree, ast.Name):
            self._held(tree.id)
            return self.numbers(tree.id)
        if isinstance(tree, ast.Constant) and isinstance(tree.value, int | float) and not isinstance(tree.value, bool):
            return tree.value
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            return -self._value(tree.operand)
        if isinstance(tree, ast.BinOp) and type(tree.op) in _OPERATORS:
            return _OPERATORS[type(tree.op)](self._value(tree.left), self._value(tree.right))
        name, call = _called(tree)
        if call is not None and len(call.args) == 1 and not call.keywords:
            if name == "I":
                return self._value(call.args[0])
            if name in _FUNCTIONS:
                value = self._value(call.args[0])
                return getattr(array_namespace(value), name)(_finely(value))
        raise InputError(f"{ast.unparse(tree)} is not offered in formulas", hint=f"there are {_SAID}, and arithmetic")

    def _categories(self, text: str, call: ast.Call) -> _Categories:
        if not call.args or not isinstance(call.args[0], ast.Name):
            raise InputError(f"{text}: C takes a column", hint="C(sector), or C(sector, Treatment(reference=...))")
        name = call.args[0].id
        found = self._held(name)
        options = {word.arg: word.value for word in call.keywords}
        levels = _levels(found)
        if "levels" in options:
            levels = tuple(_plain(options.pop("levels"), text))
        if levels is None:
            levels = _bounded_levels(found, name)
        reference = 0
        contrasts = [*call.args[1:], *([options.pop("contrasts")] if "contrasts" in options else [])]
        if options or len(contrasts) > 1:
            raise InputError(f"{text}: C takes a column, one coding, and levels=[...]")
        for one in contrasts:
            kind, inner = _called(one)
            if inner is None:
                if isinstance(one, ast.Name) and one.id == "Treatment":
                    continue
                raise InputError(f"{text}: {ast.unparse(one)} is not offered", hint="Treatment(reference=...)")
            if kind not in ("Treatment", "contr.treatment"):
                raise InputError(f"{text}: {kind} is not offered", hint="Treatment(reference=...)")
            words = [*inner.args, *(word.value for word in inner.keywords)]
            if words:
                wanted = _plain(words[0], text)
                if wanted not in levels:
                    raise InputError(f"{text}: {wanted!r} is none of the levels {', '.join(map(str, levels))}")
                reference = levels.index(wanted)
        return _Categories(text, levels, found, reference)

    def _splines(self, text: str, call: ast.Call) -> Iterator[tuple[str, Any]]:
        options = {word.arg: _plain(word.value, text) for word in call.keywords}
        knots, degree = options.pop("knots", None), options.pop("degree", 3)
        ends = options.pop("lower_bound", None), options.pop("upper_bound", None)
        if knots is None or None in ends or options or len(call.args) != 1:
            raise InputError(
                f"{text}: bs takes public knots and ends, since secret columns give none",
                hint="bs(x, knots=[...], degree=3, lower_bound=..., upper_bound=...)",
            )
        value = self._value(call.args[0])
        for place, one in enumerate(splines(value, [float(knot) for knot in knots], int(degree), *map(float, ends))):
            yield f"{text}[{place}]", one


def splines(x: Any, knots: Sequence[float], degree: int, lo: float, hi: float) -> list[Any]:
    """B-splines of x with public knots, but for the first, as R's `bs` has them: knots + degree columns.

    x is drawn in to [lo, hi]. A product and two public ones for each column and degree; one comparison a knot.
    """
    if sorted(knots) != list(knots) or degree < 0 or not lo < hi or any(not lo < knot < hi for knot in knots):
        raise InputError(f"knots {list(knots)} do not rise between {lo} and {hi}, or degree {degree} is negative")
    xp = array_namespace(x)
    x = xp.clip(_finely(x), lo, hi)
    breaks = [lo, *knots, hi]
    above = [x >= knot for knot in knots]
    within = [
        (above[at - 1] if at else ~above[0] if above else x >= lo)
        if at == 0 or at == len(knots)
        else above[at - 1] & ~above[at]
        for at in range(len(breaks) - 1)
    ]
    rows = [xp.where(one, 1.0, 0.0) for one in within]
    padded = [lo] * degree + breaks + [hi] * degree
    basis: list[Any] = [None] * degree + rows + [None] * degree
    for order in range(1, degree + 1):
        following: list[Any] = []
        for at in range(len(basis) - 1):
            parts = []
            for place, weight in ((at, 1), (at + 1, -1)):
                start = padded[at] if weight > 0 else padded[at + order + 1]
                width = (padded[at + order] - padded[at]) if weight > 0 else (padded[at + order + 1] - padded[at + 1])
                if basis[place] is not None and width > 0:
                    parts.append(basis[place] * ((x - start) * (weight / width)))
            following.append(sum(parts[1:], parts[0]) if parts else None)
        basis = following
    found = [one if one is not None else rows[0] * 0.0 for one in basis]
    return found[1:]


def _finely(x: Any) -> Any:
    """x with 30 fractional bits at least, which functions of it then have."""
    return numeric.at_precision(x, FUNCTION_BITS) if numeric.as_integers(x)[1] < FUNCTION_BITS else x


def _codings(kinds: Sequence[str], used: set[frozenset[str]]) -> Iterator[dict[str, bool]]:
    """How the factors of a term are coded, True for all levels, beside what earlier terms span: as in R and patsy."""
    subsets = [frozenset(some) for size in range(len(kinds) + 1) for some in combinations(kinds, size)]
    left: list[dict[str, bool]] = [dict.fromkeys(some, False) for some in subsets if some not in used]
    used.update(subsets)
    while _absorbed(left):
        pass
    for one in left:
        yield {kind: one[kind] for kind in kinds if kind in one}


def _absorbed(left: list[dict[str, bool]]) -> bool:
    """Merge one coding into a longer one by a factor, which then has all its levels."""
    for place, short in enumerate(left):
        for longer in left[place + 1 :]:
            more = set(longer) - set(short)
            if (
                len(more) == 1
                and all(longer.get(kind) == full for kind, full in short.items())
                and len(longer) == len(short) + 1
            ):
                longer[more.pop()] = True
                left.pop(place)
                return True
    return False


def _every(parts: list[list[tuple[str, Any]]]) -> Iterator[tuple[tuple[str, Any], ...]]:
    """One of each part, the first of which changes fastest."""
    return (found[::-1] for found in product(*parts[::-1]))


def _product(chosen: tuple[tuple[str, Any], ...]) -> tuple[str, Any]:
    (name, found), *others = chosen
    for more, value in others:
        name, found = f"{name}:{more}", found * value
    return name, found


def _names(data: Any) -> Sequence[str]:
    names = getattr(data, "columns", None)
    return list(data) if names is None else list(names)


def _levels(found: Any) -> tuple[Any, ...] | None:
    """The public levels of a column of categories, bools or texts."""
    categories = getattr(found, "categories", None)
    if categories is not None:
        return tuple(categories)
    if isinstance(found, SecretArray):
        return (False, True) if str(found.dtype).endswith("bool") else None
    if found.dtype.kind == "b":
        return (False, True)
    return tuple(np.unique(found).tolist()) if found.dtype.kind in "OUS" else None


def _bounded_levels(found: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(found, SecretArray):
        return tuple(np.unique(found).tolist())
    lo, hi = found.bounds
    if found.frac_bits or hi - lo + 1 > MAX_LEVELS:
        raise InputError(
            f"C({name}): its levels are not public, bounds reach from {lo:g} to {hi:g}",
            hint=f"share integers with bounds=(first, last), or write C({name}, levels=[...])",
        )
    return tuple(range(int(lo), int(hi) + 1))


def _called(tree: ast.expr) -> tuple[str, ast.Call | None]:
    """The name of a function that is called, without a module before it, and the call."""
    if not isinstance(tree, ast.Call) or any(word.arg is None for word in tree.keywords):
        return "", None
    name = ast.unparse(tree.func)
    return name.removeprefix("np.").removeprefix("numpy."), tree


def _plain(tree: ast.expr, text: str) -> Any:
    try:
        return ast.literal_eval(tree)
    except ValueError:
        raise InputError(f"{text}: {ast.unparse(tree)} is no public value") from None
