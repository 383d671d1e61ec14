"""Every function and method of NumPy that secret arrays do not have says what to use."""

from __future__ import annotations

import re
from typing import Any

import array_api_strict
import numpy as np
import pytest
import scipy.special
import scipy.stats

import tercet
import tercet.array as tc
from plan_trio import TrioSession
from tercet import linalg, nn, special, stats
from tercet.array import elsewhere, instead
from tercet.array.numpy_protocol import function_call, ufunc_call


def secret() -> Any:
    return TrioSession().share([3, 1, 2], bounds=(0, 5))


def dispatched() -> list[str]:
    """Names of NumPy's functions that ask their arguments."""
    found = []
    for name in dir(np):
        function = getattr(np, name, None) if not name.startswith("_") else None
        if isinstance(function, np.ufunc) or type(function).__name__ == "_ArrayFunctionDispatcher":
            found.append(name)
    assert len(found) > 300
    return found


@pytest.mark.parametrize("name", dispatched())
def test_each_function_of_numpy_is_offered_or_says_what_to_use(name: str) -> None:
    function: Any = getattr(np, name)
    try:
        if isinstance(function, np.ufunc):
            ufunc_call(function, "__call__", (secret(),) * function.nin, {})
        else:
            function_call(function, (secret(),), {})
    except TypeError as found:
        if "not offered" in str(found):
            assert instead.FUNCTIONS[function.__name__] in str(found)
    except Exception:
        assert function.__name__ not in instead.FUNCTIONS  # it is offered, and takes other arguments


def test_no_function_that_is_offered_is_said_to_be_missing() -> None:
    here = {name for name in instead.FUNCTIONS if hasattr(tc, name)}
    assert here == {"empty_like", "linspace", "put", "astype", "can_cast", "result_type"}  # NumPy's do something else


@pytest.mark.parametrize("name", [name for name in dir(array_api_strict) if not name.startswith("_")])
def test_each_function_of_the_standard_is_offered_or_says_what_to_use(name: str) -> None:
    known = re.compile(r"u?int\d+$|float|complex|.*strict_flags$|ArrayAPIStrict|ModuleType|Device|[fi]info|from_dlpack")
    if not hasattr(tc, name) and not known.match(name):
        with pytest.raises(AttributeError, match=re.escape(instead.FUNCTIONS[name])):
            getattr(tc, name)


@pytest.mark.parametrize("name", [name for name in dir(np.ndarray) if not name.startswith("_")])
def test_each_method_of_arrays_is_there_or_says_what_to_use(name: str) -> None:
    # of memory, types of few bytes, complex numbers and Python objects there are none
    memory = {"base", "byteswap", "ctypes", "data", "dump", "dumps", "fill", "flags", "flat", "getfield", "itemsize"}
    memory |= {"nbytes", "setfield", "setflags", "strides", "tobytes", "tofile", "view", "resize", "choose", "conj"}
    memory |= {"conjugate", "imag", "real"}
    if not hasattr(tc.SecretArray, name) and name not in memory:
        with pytest.raises(AttributeError, match=": use "):
            getattr(secret(), name)


def test_what_is_said_is_there() -> None:
    """Names that are told are names that exist, and nothing is told in place of what is there."""
    for module, table in ((stats, elsewhere.STATS), (special, elsewhere.SPECIAL), (nn, elsewhere.NN)):
        assert not table.keys() & set(dir(module))
    modules: dict[str, Any] = {"tercet.array": tc, "tercet.nn": nn, "tercet.special": special, "tercet.stats": stats}
    tables = (instead.FUNCTIONS, instead.METHODS, elsewhere.STATS, elsewhere.SPECIAL, elsewhere.NN)
    for text in (text for table in tables for text in table.values()):
        for module, name in re.findall(r"(tercet\.(?:array|nn|special|stats))\.(\w+)", text):
            assert hasattr(modules[module], name), text
        for name in re.findall(r"numpy\.(\w+)", text):
            assert hasattr(np, name) and name not in set(instead.FUNCTIONS) - {"linspace", "sort"}, text


METHODS: dict[str, tuple[Any, Any]] = {
    "sort_values": (lambda x: tc.sort(x), [1, 2, 3]),
    "rank": (lambda x: stats.rankdata(x), [3, 1, 2]),
    "median": (lambda x: np.median(x), 2),
    "nunique": (lambda x: tc.unique_values(x, size=1).number, 3),
    "value_counts": (lambda x: tc.unique_counts(x, size=3).counts, [1, 1, 1]),
    "nlargest": (lambda x: tc.top_k(x, 2, largest=True).values, [3, 2]),
    "idxmax": (lambda x: np.argmax(x), 0),
    "cummax": (lambda x: np.maximum.accumulate(x), [3, 3, 3]),
    "sort": (lambda x: np.sort(x), [1, 2, 3]),
    "clip": (lambda x: np.clip(x, 2, 3), [3, 2, 2]),
    "flatten": (lambda x: x.reshape(-1), [3, 1, 2]),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_pandas_have_functions_in_their_place(name: str) -> None:
    call, expected = METHODS[name]
    with pytest.raises(AttributeError, match=": use "):
        getattr(secret(), name)
    assert np.array_equal(call(secret()).reveal(), expected)


def test_a_few_more_names_of_numpy() -> None:
    x, plain = secret(), np.array([3, 1, 2])
    table, numbers = tc.stack([x, x + 1]), np.stack([plain, plain + 1])
    for found, expected in (
        (np.amax(x), np.amax(plain)),
        (np.amin(table, axis=0), np.amin(numbers, axis=0)),
        (np.flipud(table), np.flipud(numbers)),
        (np.fliplr(table), np.fliplr(numbers)),
        (np.append(x, [4, 5]), np.append(plain, [4, 5])),
        (np.append(table, numbers, axis=1), np.append(numbers, numbers, axis=1)),
        (np.copy(x), plain),
    ):
        assert np.array_equal(found.reveal(), expected)


X, Y = np.array([3.0, 1.5, 2.25, 8.0, 4.5]), np.array([1.0, 1.25, 0.5, 1.75, 1.5])
STATS: dict[str, Any] = {
    "scoreatpercentile": lambda x, y: np.percentile(x, 30),
    "ttest_1samp": lambda x, y: scipy.stats.ttest_1samp(x, 3)[0],
    "ttest_rel": lambda x, y: scipy.stats.ttest_rel(x, y)[0],
    "ttest_ind": lambda x, y: scipy.stats.ttest_ind(x, y, equal_var=False)[0],
}
SPECIAL: dict[str, Any] = {
    **dict.fromkeys(("sigmoid", "logistic"), lambda x, y: scipy.special.expit(x)),
    "polygamma": lambda x, y: scipy.special.polygamma(0, x),
    "boxcox": lambda x, y: scipy.special.boxcox(x, 0.5),
    "boxcox1p": lambda x, y: scipy.special.boxcox1p(x, 0.5),
    **{name: getattr(scipy.special, name) for name in ("beta", "betaln", "binom", "comb")},
}
NN: dict[str, Any] = {
    "sigmoid": lambda x, y: scipy.special.expit(x),
    "tanh": lambda x, y: np.tanh(x),
    "softplus": lambda x, y: np.log1p(np.exp(x)),
    "logsigmoid": lambda x, y: scipy.special.log_expit(x),
    "relu6": lambda x, y: np.clip(x, 0, 6),
    "hardsigmoid": lambda x, y: np.clip(x / 6 + 0.5, 0, 1),
    "mish": lambda x, y: x * np.tanh(np.log1p(np.exp(x))),
    "normalize": lambda x, y: x / np.linalg.norm(x),
    "cosine_similarity": lambda x, y: x @ y / np.linalg.norm(x) / np.linalg.norm(y),
}
TOLD = [
    *((stats, name, STATS.get(name)) for name in elsewhere.STATS),
    *((special, name, SPECIAL.get(name)) for name in elsewhere.SPECIAL),
    *((nn, name, NN[name]) for name in elsewhere.NN),
]


@pytest.mark.parametrize(("module", "name", "meaning"), TOLD, ids=[f"{one[0].__name__}.{one[1]}" for one in TOLD])
def test_what_stands_for_functions_of_scipy_and_torch_computes_them(module: Any, name: str, meaning: Any) -> None:
    with pytest.raises(AttributeError) as told:
        getattr(module, name)
    expression = str(told.value).partition(": write ")[2]
    session = TrioSession()
    names = {"x": session.share(X, bounds=(1, 10)), "y": session.share(Y, bounds=(0, 2)), "numpy": np, "tercet": tercet}
    found = eval(expression, names).reveal()  # noqa: S307  our own sentence
    scipy_module = scipy.stats if module is stats else scipy.special
    expected = meaning(X, Y) if meaning else getattr(scipy_module, name)(X)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-4)


def test_names_that_nothing_is_known_of() -> None:
    for module, name, says in (
        (stats, "weightedtau", "rankdata"),
        (special, "i1", "piecewise_polynomial"),
        (nn, "lstm", "tercet.special"),
        (linalg, "inv", "LinearRegression"),
        (linalg, "det", "LinearRegression"),
        (tercet, "softmax", "there is tercet.special.softmax"),
        (tercet, "rankdata", "there is tercet.stats.rankdata"),
        (tercet, "relu", "there is tercet.nn.relu"),
        (tercet, "median", "there is tercet.array.median"),
    ):
        with pytest.raises(AttributeError, match=says):
            getattr(module, name)
        assert not hasattr(module, "__wrapped__")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sqrt", "use tercet.array.sqrt"),
        ("describe", "quantile"),
        ("dt", "are days"),
        ("rolling", "convolve"),
        ("groupby", "segment_mean"),
        ("iloc", "public places"),
    ],
)
def test_methods_of_pandas_and_of_functions(name: str, says: str) -> None:
    with pytest.raises(AttributeError, match=says):
        getattr(secret(), name)


def test_plain_tables_at_secret_places_lead_to_lookup() -> None:
    x, table = secret(), np.array([0.0, 1.5, 2.5, 9.0])
    for wrong in (lambda: table[x], lambda: np.take(table, x), lambda: tc.lookup(x, [0, 1])):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"lookup"):
            wrong()
    assert np.array_equal(tc.lookup(table, x).reveal(), table[[3, 1, 2]])
