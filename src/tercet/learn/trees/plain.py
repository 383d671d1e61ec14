"""Trees of scikit-learn, XGBoost and LightGBM, fitted in plain by their owner, as complete trees to be shared.

A model of XGBoost is read from its JSON, one of LightGBM from `dump_model()` or its text; neither library is needed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.array import numeric
from tercet.errors import InputError
from tercet.learn.trees.forest import Forest

MOST_DEPTH: Final = 12
"""Levels: all nodes of each are computed, so that work doubles with each."""
STORED_BITS: Final = 60
"""Of a threshold or a value as it is stored, with its fractional bits."""
THRESHOLD_BITS: Final = 48
VALUE_BITS: Final = 24
"""Fractional bits, unless large numbers leave fewer."""


@dataclass(frozen=True)
class TreeNode:
    """A leaf with a value for each output, or a question: whether a column is at most a threshold."""

    value: Sequence[float] = ()
    feature: int = -1
    threshold: float = 0.0
    left: TreeNode | None = None
    right: TreeNode | None = None

    @property
    def depth(self) -> int:
        # iterative: trees of a chain of leaves may be deep
        deepest, waiting = 0, [(self, 0)]
        while waiting:
            node, level = waiting.pop()
            deepest = max(deepest, level)
            waiting += [(one, level + 1) for one in (node.left, node.right) if one is not None]
        return deepest


@dataclass(frozen=True)
class PlainTrees:
    """Trees as their library means them. `rounded`: columns are rounded to float32 before they are compared."""

    trees: Sequence[TreeNode]
    columns: int
    outputs: int
    baseline: NDArray[np.float64] = field(repr=False)
    rounded: bool


def limit(threshold: float, rounded: bool, frac_bits: int) -> int:
    """The greatest integer m such that every column x <= m 2^-frac_bits passes, of all columns with so many
    fractional bits. `rounded`: what passes is x whose nearest float32 is at most the threshold: up to half way to the
    next float32, and half way itself if that rounds down, to even."""
    if not math.isfinite(threshold):
        raise InputError(f"a threshold of {threshold}", hint="fit the model again without infinite values")
    if not rounded:
        return math.floor(Fraction(threshold) * (1 << frac_bits))
    last = np.float32(threshold)
    if float(last) > threshold:
        last = np.nextafter(last, np.float32(-np.inf))
    after = np.nextafter(last, np.float32(np.inf))
    middle = (Fraction(float(last)) + Fraction(float(after))) / 2 * (1 << frac_bits)
    even = int(np.asarray(last, np.float32).view(np.uint32)) % 2 == 0
    return math.floor(middle) if even else math.ceil(middle) - 1


def shared(plain: PlainTrees, session: Any) -> tuple[Forest, Any]:
    """The trees and their baseline (outputs,), shared. Public are depth, number of trees, columns and outputs, and
    powers of two above the largest threshold and the largest value.

    All trees are completed to one depth. Raises InputError for trees deeper than 12 and for none.
    """
    features, thresholds, values = complete(plain)
    bits = int(np.frexp(np.abs(thresholds).max())[1])
    frac_bits = max(0, min(THRESHOLD_BITS, STORED_BITS - max(bits, 0)))
    if bits > STORED_BITS:
        raise InputError(f"a threshold of {np.abs(thresholds).max():g}", hint="scale the columns before fitting")
    limits = np.array(
        [[limit(float(one), plain.rounded, frac_bits) for one in row] for row in thresholds], dtype=np.int64
    )
    largest = 1 << max(bits, 0) + frac_bits
    stored = session.share(limits, bounds=(-largest, largest))
    return (
        Forest(
            session.share(features),
            numeric.times_power(stored, -frac_bits, frac_bits),
            _fixed(values, session),
        ),
        _fixed(plain.baseline, session),
    )


def depth_of(plain: PlainTrees) -> int:
    """Of the deepest tree, 1 at least."""
    if not plain.trees:
        raise InputError("a model without trees", hint="fit it first")
    return max(1, *(tree.depth for tree in plain.trees))


def complete(plain: PlainTrees) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Features, thresholds and values of a `Forest`, as their library means them. Raises as `shared`."""
    depth = depth_of(plain)
    if depth > MOST_DEPTH:
        raise InputError(
            f"a tree of depth {depth}",
            hint=f"fit it again with max_depth up to {MOST_DEPTH}: all nodes of each level are computed, "
            "so that nobody sees which there are",
        )
    count, nodes = len(plain.trees), (1 << depth) - 1
    features = np.zeros((nodes, plain.columns, count), bool)
    thresholds = np.zeros((nodes, count), np.float64)
    values = np.zeros((plain.outputs, count, 1 << depth), np.float64)
    for at, tree in enumerate(plain.trees):
        _complete(tree, depth, features[:, :, at], thresholds[:, at], values[:, at])
    return features, thresholds, values


def _fixed(values: NDArray[np.float64], session: Any) -> Any:
    top = int(np.frexp(max(float(np.abs(values).max(initial=0)), 2.0**-VALUE_BITS))[1])
    frac_bits = max(0, min(VALUE_BITS, STORED_BITS // 2 + VALUE_BITS // 2 - max(top, 0)))
    rounded = np.ldexp(np.rint(np.ldexp(values, frac_bits)), -frac_bits)
    return session.share(rounded, bounds=(-(2.0**top), 2.0**top), frac_bits=frac_bits)


def _complete(tree: TreeNode, depth: int, features: Any, thresholds: Any, values: Any) -> None:
    """Fill in a complete tree: a leaf above the last level passes its rows to the left."""
    waiting = [(tree, 0, 0)]
    while waiting:
        node, level, place = waiting.pop()
        if node.left is None or node.right is None:
            values[:, place << depth - level] = node.value
            continue
        at = (1 << level) - 1 + place
        features[at, node.feature], thresholds[at] = True, node.threshold
        waiting += [(node.left, level + 1, 2 * place), (node.right, level + 1, 2 * place + 1)]


# -- scikit-learn


def of_sklearn_tree(tree: Any, value: Callable[[Any], Sequence[float]]) -> TreeNode:
    """Of a `sklearn.tree._tree.Tree`; `value` of what it has for a leaf."""

    def node(at: int) -> TreeNode:
        if tree.children_left[at] < 0:
            return TreeNode(value(tree.value[at]))
        left, right = node(int(tree.children_left[at])), node(int(tree.children_right[at]))
        return TreeNode((), int(tree.feature[at]), float(tree.threshold[at]), left, right)

    return node(0)


def of_sklearn_depths(tree: Any, depths: NDArray[np.float64]) -> TreeNode:
    """Of a tree of an isolation forest: how deep a row goes, with what `depths` adds for the rows in its leaf."""

    def node(at: int, level: int) -> TreeNode:
        if tree.children_left[at] < 0:
            return TreeNode([level + float(depths[int(tree.n_node_samples[at])])])
        sides = (node(int(side[at]), level + 1) for side in (tree.children_left, tree.children_right))
        return TreeNode((), int(tree.feature[at]), float(tree.threshold[at]), *sides)

    return node(0, 0)


def of_classes(trees: Sequence[Any], columns: int, classes: int) -> PlainTrees:
    """Of classification trees: in each leaf the part of its rows that is of each class."""

    def parts(value: Any) -> list[float]:
        found: list[float] = (value[0] / value[0].sum()).tolist()
        return found

    if any(tree.tree_.value.shape[1] != 1 for tree in trees):
        raise InputError("a model of several targets", hint="fit a model for each")
    nodes = [of_sklearn_tree(tree.tree_, parts) for tree in trees]
    return PlainTrees(nodes, int(columns), classes, np.zeros(classes), rounded=True)


def of_numbers(trees: Sequence[Any], columns: int) -> PlainTrees:
    """Of regression trees."""
    if any(tree.tree_.value.shape[1] != 1 for tree in trees):
        raise InputError("a model of several targets", hint="fit a model for each")
    nodes = [of_sklearn_tree(tree.tree_, lambda value: [float(value[0, 0])]) for tree in trees]
    return PlainTrees(nodes, int(columns), 1, np.zeros(1), rounded=True)


def of_sklearn_histograms(fitted: Any) -> PlainTrees:
    """Of HistGradientBoosting: trees of all passes, one for each output."""
    if getattr(fitted, "is_categorical_", None) is not None:
        raise InputError("a model with categorical columns", hint="encode them as columns first (OneHotEncoder)")
    outputs = len(fitted._predictors[0])

    def tree(nodes: Any, output: int) -> TreeNode:
        def node(at: int) -> TreeNode:
            one = nodes[at]
            if one["is_leaf"]:
                return TreeNode(_at(float(one["value"]), output, outputs))
            left, right = node(int(one["left"])), node(int(one["right"]))
            return TreeNode((), int(one["feature_idx"]), float(one["num_threshold"]), left, right)

        return node(0)

    trees = [tree(one.nodes, output) for each in fitted._predictors for output, one in enumerate(each)]
    baseline = np.asarray(fitted._baseline_prediction, np.float64).reshape(-1)
    return PlainTrees(trees, int(fitted.n_features_in_), outputs, baseline, rounded=False)


def of_sklearn_boosting(fitted: Any) -> PlainTrees:
    """Of GradientBoosting with scikit-learn's own initial predictions."""
    if fitted.init_ != "zero" and type(fitted.init_).__name__ not in ("DummyClassifier", "DummyRegressor"):
        raise InputError(f"a model that begins with a {type(fitted.init_).__name__}", hint="fit it with init=None")
    outputs, rate = fitted.estimators_.shape[1], float(fitted.learning_rate)
    start = np.asarray(fitted._raw_predict_init(np.zeros((1, fitted.n_features_in_), np.float32)), np.float64)
    trees = [
        of_sklearn_tree(one.tree_, lambda value, at=output: _at(rate * float(value[0, 0]), at, outputs))  # type: ignore[misc]
        for each in fitted.estimators_
        for output, one in enumerate(each)
    ]
    return PlainTrees(trees, int(fitted.n_features_in_), outputs, start.reshape(-1), rounded=True)


def _at(value: float, output: int, outputs: int) -> list[float]:
    return [value if at == output else 0.0 for at in range(outputs)]


# -- XGBoost


def of_xgboost(model: Any) -> tuple[PlainTrees, str]:
    """Of a booster, of what `save_raw("json")` gives, or of that as a dictionary; and its objective.

    A column passes to the left where it is less than the threshold, as float32. Where it is missing does not matter: no
    column here is. Leaves are those of all trees. Raises InputError for other boosters than trees and for categories.
    """
    read = model.get_booster() if hasattr(model, "get_booster") else model
    if hasattr(read, "save_raw"):
        read = read.save_raw("json")
    whole: Any = read if isinstance(read, Mapping) else json.loads(bytes(read) if not isinstance(read, str) else read)
    learner = _of(whole, "learner", "a model of XGBoost")
    booster = _of(learner, "gradient_booster", "a model of XGBoost")
    if booster.get("name") != "gbtree":
        raise InputError(f"a booster {booster.get('name')!r}", hint="fit it with booster='gbtree'")
    parts = _of(booster, "model", "a model of XGBoost")
    facts = learner["learner_model_param"]
    columns, outputs = int(facts["num_feature"]), max(1, int(facts["num_class"]))
    if int(facts.get("num_target", 1)) > 1:
        raise InputError("a model of several targets", hint="fit a model for each")
    objective = str(learner["objective"]["name"])
    written = str(facts["base_score"]).strip("[]").split(",")
    start = np.broadcast_to(np.array([float(one) for one in written]), (outputs,)).astype(np.float64)
    if objective in ("binary:logistic", "reg:logistic"):
        start = np.log(start / (1 - start))
    trees = []
    for one, output in zip(parts["trees"], parts["tree_info"], strict=True):
        if any(one.get("split_type", ())) or one.get("categories"):
            raise InputError("a tree that splits by categories", hint="encode them as columns first")
        trees.append(_xgboost_tree(one, int(output), outputs))
    return PlainTrees(trees, columns, outputs, start, rounded=True), objective


def _xgboost_tree(tree: Mapping[str, Any], output: int, outputs: int) -> TreeNode:
    left, right, columns = tree["left_children"], tree["right_children"], tree["split_indices"]
    conditions = np.asarray(tree["split_conditions"], np.float32)

    def node(at: int) -> TreeNode:
        if left[at] < 0:
            return TreeNode(_at(float(conditions[at]), output, outputs))
        below = np.nextafter(conditions[at], np.float32(-np.inf))
        return TreeNode((), int(columns[at]), float(below), node(int(left[at])), node(int(right[at])))

    return node(0)


def _of(values: Any, name: str, what: str) -> Any:
    if not isinstance(values, Mapping) or name not in values:
        raise InputError(f"this is not {what}: it has no {name!r}", hint="pass booster.save_raw('json')")
    return values[name]


# -- LightGBM


def of_lightgbm(model: Any) -> tuple[PlainTrees, str]:
    """Of a booster, of what its `dump_model()` gives, or of its text (`model_to_string()`); and its objective.

    Raises InputError for trees with categories, for linear ones, and for models in which zero counts as missing.
    """
    read = getattr(model, "booster_", model)
    if hasattr(read, "dump_model"):
        read = read.dump_model()
    if isinstance(read, str):
        read = _lightgbm_text(read)
    if not isinstance(read, Mapping) or "tree_info" not in read:
        raise InputError("this is no model of LightGBM", hint="pass booster.dump_model(), or booster.model_to_string()")
    objective = str(read.get("objective", "regression"))
    name, _, options = objective.partition(" ")
    outputs, columns = int(read["num_tree_per_iteration"]), int(read["max_feature_idx"]) + 1
    scale = 1.0
    if name == "binary":
        scale = float(dict(one.split(":", 1) for one in options.split() if ":" in one).get("sigmoid", 1))
    if name == "regression" and "sqrt" in options:
        raise InputError("a model of square roots", hint="fit it with reg_sqrt=False")
    if read.get("average_output"):
        scale *= outputs / len(read["tree_info"])
    trees = []
    for at, one in enumerate(read["tree_info"]):
        if int(one.get("num_cat", 0)):
            raise InputError("a tree that splits by categories", hint="encode them as columns first")
        trees.append(_lightgbm_node(one["tree_structure"], at % outputs, outputs, scale))
    return PlainTrees(trees, columns, outputs, np.zeros(outputs), rounded=False), name


def _lightgbm_node(node: Mapping[str, Any], output: int, outputs: int, scale: float) -> TreeNode:
    if "leaf_value" in node:
        if node.get("leaf_coeff"):
            raise InputError("a tree with linear leaves", hint="fit it with linear_tree=False")
        return TreeNode(_at(scale * float(node["leaf_value"]), output, outputs))
    if node["decision_type"] != "<=":
        raise InputError(f"a split by {node['decision_type']!r}", hint="encode categories as columns first")
    if node.get("missing_type") == "Zero":
        raise InputError("a model in which zero counts as missing", hint="fit it with zero_as_missing=False")
    left, right = (_lightgbm_node(node[side], output, outputs, scale) for side in ("left_child", "right_child"))
    return TreeNode((), int(node["split_feature"]), float(node["threshold"]), left, right)


_CATEGORICAL, _MISSING = 1, 12
_ZERO_IS_MISSING = 4


def _lightgbm_text(text: str) -> dict[str, Any]:
    """What `dump_model()` would give, as far as it is needed."""
    head, *blocks = text.split("\nTree=")
    facts = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    trees = []
    for block in blocks:
        fields = dict(line.split("=", 1) for line in block.split("\n\n")[0].splitlines()[1:] if "=" in line)
        if int(fields.get("is_linear", 0)):
            raise InputError("a tree with linear leaves", hint="fit it with linear_tree=False")
        trees.append({"num_cat": fields.get("num_cat", 0), "tree_structure": _text_node(fields)})
    try:
        return {
            "objective": facts.get("objective", "regression"),
            "num_tree_per_iteration": int(facts["num_tree_per_iteration"]),
            "max_feature_idx": int(facts["max_feature_idx"]),
            "average_output": "average_output" in head.splitlines(),
            "tree_info": trees,
        }
    except KeyError as missing:
        raise InputError(f"this is no model of LightGBM: it has no {missing}") from None


def _text_node(fields: Mapping[str, str]) -> dict[str, Any]:
    def row(name: str, kind: Any) -> list[Any]:
        return [kind(one) for one in fields.get(name, "").split()]

    columns, kinds, values = row("split_feature", int), row("decision_type", int), row("leaf_value", float)
    thresholds, left, right = row("threshold", float), row("left_child", int), row("right_child", int)

    def node(at: int) -> dict[str, Any]:
        if at < 0:
            return {"leaf_value": values[~at]}
        return {
            "decision_type": "==" if kinds[at] & _CATEGORICAL else "<=",
            "missing_type": "Zero" if kinds[at] & _MISSING == _ZERO_IS_MISSING else "None",
            "split_feature": columns[at],
            "threshold": thresholds[at],
            "left_child": node(left[at]),
            "right_child": node(right[at]),
        }

    return node(0) if columns else node(-1)
