"""What to use in place of functions and methods that secret arrays do not have, by their names in NumPy and pandas."""

from __future__ import annotations

from collections.abc import Iterable

_LENGTH = "the shape of its result would say how many there are; "
_DISTINCT = f"{_LENGTH}tercet.array.unique_values(x, size=) and unique_counts(x, size=) pad it to a public size"
_INVERSE = f"{_DISTINCT}, and tercet.stats.rankdata(x, 'dense') - 1 is its inverse"
_SELECTED = f"{_LENGTH}tercet.array.compact(condition, x) brings those in front, and condition.sum() is their number"
_SETS = f"{_LENGTH}numpy.isin(x, y) says which elements are in both, and tercet.array.compact brings those in front"
_FLOATS = "secret numbers are fixed point: they have no exponents, signed zeros or neighbours of floats"
_BITS = "secret integers are sums, not bits: multiply by 2**n or divide by //, and take bools for & | ^ ~"
_COMPLEX = "secret numbers are real; none is NaN or infinite"
_PARTS = "slices x[i:j] are its parts, and tercet.array.unstack gives those of length 1"
_PLACED = "an array is never changed in place; tercet.where(mask, values, x) gives a new one, and tercet.array.put, too"
_INDICES = "indices of public shapes are public: numpy's, of numpy.empty(x.shape)"
_POLYNOMIAL = "numpy.polyval evaluates public coefficients at secret x; LinearRegression fits"
_TEXT = "a secret array prints its type only; reveal() it first"
LINEAR = (
    "least squares are tercet.linear_model.LinearRegression, matrix products x @ y, and what else there is stands in "
    "x.__array_namespace__()"
)


def _known(name: str) -> str:
    plain = {"nanpercentile": "percentile"}.get(name, name.removeprefix("nan"))
    return (
        f"secret numbers are never NaN, and numpy.{plain} passes over what is missing in a nullable column; share a "
        "bool of which values are there, or upload one"
    )


FUNCTIONS: dict[str, str] = {
    "unique": _DISTINCT,
    **dict.fromkeys(("unique_all", "unique_inverse"), _INVERSE),
    **dict.fromkeys(("nonzero", "flatnonzero", "argwhere", "compress", "extract", "trim_zeros"), _SELECTED),
    **dict.fromkeys(("union1d", "intersect1d", "setdiff1d", "setxor1d"), _SETS),
    "sort_complex": "secret numbers are real: numpy.sort",
    "histogramdd": "numpy.histogram2d counts pairs; of more, make one integer of the bins and count by numpy.bincount",
    "histogram_bin_edges": "they would follow from the data: numpy.linspace(lowest, highest, n + 1) of public ends",
    "ediff1d": "numpy.diff",
    "choose": "tercet.array.lookup reads at secret places, tercet.where(condition, a, b) chooses",
    **dict.fromkeys(("place", "putmask", "copyto", "fill_diagonal"), _PLACED),
    "put": "an array is never changed in place; tercet.array.put(x, indices, values) gives a new one",
    "put_along_axis": "an array is never changed in place; tercet.array.put(x.reshape(-1), places, values) gives one",
    **dict.fromkeys(("insert", "delete", "resize"), "tercet.concat joins parts x[:i] and x[j:], of public lengths"),
    **{
        f"nan{name}": _known(f"nan{name}")
        for name in (
            *("mean", "sum", "std", "var", "min", "max", "median", "quantile", "percentile", "prod"),
            *("argmin", "argmax", "cumsum", "cumprod"),
        )
    },
    "nan_to_num": "secret numbers are never NaN; fillna(value) fills what is missing in a nullable column",
    **dict.fromkeys(
        ("isnat", "is_busday", "busday_count", "busday_offset", "datetime_as_string"),
        "x.isna() says where a date is missing, and dates are compared, shifted and subtracted",
    ),
    **dict.fromkeys(("radians", "deg2rad"), "multiply by numpy.pi / 180"),
    **dict.fromkeys(("degrees", "rad2deg"), "multiply by 180 / numpy.pi"),
    "average": "(x * weights).sum() / weights.sum() is the weighted mean",
    **dict.fromkeys(
        ("isclose", "allclose"), "abs(x - y) <= tolerance compares, and tercet.array.all takes them together"
    ),
    **dict.fromkeys(("array_equal", "array_equiv"), "tercet.array.all(x == y)"),
    "diag": "tercet.linalg.diagonal(x)",
    "diagflat": "tercet.where(numpy.eye(n) > 0, x[:, None], 0)",
    **dict.fromkeys(
        ("einsum", "einsum_path", "kron", "cross", "vdot", "matvec", "vecmat"),
        "write it with tercet.array.tensordot, matmul, vecdot, outer or products and sums",
    ),
    **dict.fromkeys(("select", "piecewise", "heaviside"), "tercet.where(condition, a, b) chooses"),
    "sliding_window_view": "tercet.nn has convolutions and pools; slices x[:, i : i + width] are windows",
    "correlate": "numpy.convolve(x, v[::-1])",
    "fmod": "numpy.remainder has the divisor's sign; x - numpy.trunc(x / y) * y is that of the dividend",
    "modf": "numpy.trunc(x) is the whole part, and x - numpy.trunc(x) what is left",
    "fix": "numpy.trunc",
    **dict.fromkeys(("gcd", "lcm"), "their number of steps depends on the values; tercet.loop takes a public number"),
    **dict.fromkeys(("frexp", "ldexp", "copysign", "nextafter", "spacing"), _FLOATS),
    **dict.fromkeys(
        (
            "left_shift",
            "right_shift",
            "bitwise_left_shift",
            "bitwise_right_shift",
            "bitwise_count",
            "packbits",
            "unpackbits",
        ),
        _BITS,
    ),
    **dict.fromkeys(
        (
            "real",
            "imag",
            "conj",
            "angle",
            "iscomplex",
            "iscomplexobj",
            "isreal",
            "isrealobj",
            "isneginf",
            "isposinf",
            "real_if_close",
        ),
        _COMPLEX,
    ),
    **dict.fromkeys(("split", "array_split", "hsplit", "vsplit", "dsplit"), _PARTS),
    **dict.fromkeys(("block", "dstack"), "tercet.concat and tercet.stack"),
    **dict.fromkeys(("rollaxis", "rot90"), "tercet.array.moveaxis, permute_dims and flip"),
    **dict.fromkeys(("atleast_1d", "atleast_2d", "atleast_3d"), "x[None] has one axis more"),
    "pad": "tercet.concat with public zeros",
    "meshgrid": "x[:, None] and y[None, :] go together by broadcasting",
    **dict.fromkeys(("ravel_multi_index", "unravel_index"), "row * columns + column, // and % compute places"),
    **dict.fromkeys(("ix_", "diag_indices_from", "tril_indices_from", "triu_indices_from"), _INDICES),
    **dict.fromkeys(("linspace", "geomspace", "logspace"), "low + (high - low) * numpy.linspace(0, 1, n)"),
    **dict.fromkeys(("gradient", "trapezoid"), "numpy.diff, sums and slices compute it"),
    "unwrap": "numpy.diff, numpy.round and numpy.cumsum compute it",
    "vander": "tercet.stack([x**k for k in range(n)], axis=-1)",
    **dict.fromkeys(
        ("poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "roots"), _POLYNOMIAL
    ),
    "i0": "numpy.exp, tercet.special and tercet.array.piecewise_polynomial compute functions",
    **dict.fromkeys(("apply_along_axis", "apply_over_axes"), "functions of secret arrays take axis="),
    **dict.fromkeys(("array2string", "array_repr", "array_str"), _TEXT),
    **dict.fromkeys(("save", "savetxt", "savez", "savez_compressed"), "x.persist() keeps it at the parties"),
    "empty_like": "numpy.zeros_like",
    **dict.fromkeys(
        ("astype", "can_cast", "result_type", "common_type", "min_scalar_type"),
        "x.astype(tercet.array.int64), or tercet.array's function of this name",
    ),
    **dict.fromkeys(("shares_memory", "may_share_memory"), "secret arrays have no memory here"),
}
"""By the name of a function of NumPy that is not offered; of many the shape would depend on values."""

METHODS: dict[str, str] = {
    **{
        name: f"numpy.{name}(x)"
        for name in (
            *(
                "sort",
                "argsort",
                "partition",
                "argpartition",
                "searchsorted",
                "argmax",
                "argmin",
                "ptp",
                "cumsum",
                "cumprod",
            ),
            *("prod", "clip", "round", "ravel", "repeat", "squeeze", "swapaxes", "take", "transpose"),
        )
    },
    "sort_values": "tercet.array.sort(x)",
    "rank": "tercet.stats.rankdata(x)",
    "mode": "tercet.stats.mode(x)",
    "median": "numpy.median(x)",
    "quantile": "numpy.quantile(x, q)",
    "nunique": "tercet.array.unique_values(x, size=1).number",
    "value_counts": "tercet.array.unique_counts(x, size=)",
    "unique": "tercet.array.unique_values(x, size=)",
    "drop_duplicates": "tercet.array.unique_values(x, size=)",
    **dict.fromkeys(("nlargest", "nsmallest"), "tercet.array.top_k(x, k, largest=)"),
    **dict.fromkeys(("idxmax", "idxmin"), "numpy.argmax(x), numpy.argmin(x)"),
    "isin": "numpy.isin(x, values)",
    "between": "(x >= low) & (x <= high)",
    "abs": "abs(x)",
    "diff": "numpy.diff(x)",
    "cummax": "numpy.maximum.accumulate(x)",
    "cummin": "numpy.minimum.accumulate(x)",
    "sample": "tercet.shuffle(x)[:n]",
    "to_numpy": "x.reveal()",
    "tolist": "x.reveal().tolist()",
    "item": "x.reveal().item()",
    "values": "x.reveal()",
    "flatten": "x.reshape(-1)",
    "copy": "x itself, which is never changed",
    "dot": "x @ y",
    "diagonal": "tercet.linalg.diagonal(x)",
    "trace": "tercet.linalg.trace(x)",
    "put": FUNCTIONS["put"],
    **dict.fromkeys(("nonzero", "compress"), _SELECTED),
    **dict.fromkeys(("isna", "isnull", "notna", "notnull", "fillna", "dropna"), "nothing is missing in this array"),
    "describe": "x.mean(), x.std(ddof=1) and numpy.quantile(x, q); tables at nodes have describe()",
    "corr": "numpy.corrcoef(x, y)[0, 1]",
    "skew": "(((x - x.mean()) / x.std()) ** 3).mean()",
    **dict.fromkeys(("kurt", "kurtosis"), "(((x - x.mean()) / x.std()) ** 4).mean() - 3"),
    "hist": "numpy.histogram(x, bins, range=(low, high))",
    **dict.fromkeys(("apply", "map", "transform", "pipe"), "functions of whole arrays, such as numpy.log(x)"),
    "replace": "tercet.where(x == old, new, x), or tercet.array.lookup(table, x)",
    **dict.fromkeys(("mask", "combine"), "tercet.where(condition, x, y)"),
    "pct_change": "x[1:] / x[:-1] - 1",
    "shift": "slices, as x[1:] - x[:-1], or numpy.roll(x, n)",
    **dict.fromkeys(("rolling", "ewm"), "numpy.convolve(x, weights, 'valid')"),
    "expanding": "numpy.cumsum(x) and numpy.maximum.accumulate(x)",
    "groupby": "tercet.array.segment_mean(x, groups, size), segment_sum and their kin; tables at nodes have groupby()",
    "dt": "x - date(2024, 1, 1), which are days, or numpy.digitize(x, dates)",
    "str": "comparisons of categories, x == text",
    **dict.fromkeys(
        ("loc", "iloc", "at", "iat"), "x[place] for public places, tercet.array.take(x, place) for secret ones"
    ),
}
"""By the name of a method that arrays of NumPy or columns of pandas have."""


def said_of_method(name: str, offered: Iterable[str]) -> str:
    """The end of the sentence that an array has no such attribute; names of functions that are offered are known."""
    if name in METHODS:
        return f": use {METHODS[name]}"
    return f": use tercet.array.{name}(x)" if name in offered else ""


def said_of(name: str) -> str | None:
    """What to use in place of a function; None of what is no function of NumPy."""
    return LINEAR if name.startswith("linalg.") else FUNCTIONS.get(name)
