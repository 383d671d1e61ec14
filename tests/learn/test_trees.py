"""Trees under sharing: the same splits as on NumPy arrays, and as scikit-learn's on the same bins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.tree as reference
from sklearn import datasets

import tercet as tc
from plan_trio import TrioSession
from tercet.ensemble import HistGradientBoostingClassifier
from tercet.errors import InputError
from tercet.learn.trees import many
from tercet.learn.trees.bins import binned, edges_of
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.rows.states import Aggregate, Rows
from tercet.plan.rows.track import track
from tercet.tree import DecisionTreeClassifier, DecisionTreeRegressor


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def data(name: str) -> tuple[Any, Any]:
    """As it is stored at 16 fractional bits."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return np.round(x * 2**16) / 2**16, y


def shared(net: tc.Session, x: Any) -> Any:
    return net.share(x, bounds=(x.min(), x.max()))


def continuous(rows: int, columns: int, seed: int) -> tuple[Any, Any]:
    """Without ties."""
    draw = np.random.default_rng(seed)
    x = np.round(draw.normal(size=(rows, columns)) * 2**16) / 2**16
    return x, x[:, 0] + x[:, 1] * x[:, -1] + draw.normal(size=rows) / 2


def by_bins(x: Any, bins: int) -> Any:
    """The numbers of the bins, in plain."""
    return (x[:, :, None] > edges_of(x, bins, "quantile").T[None]).sum(axis=2)


def same(model: Any, plain: Any, *others: Any) -> list[Any]:
    """The same columns and thresholds; what else was asked for, revealed in the same plan."""
    found = tc.reveal(model.features_, model.thresholds_, model.values_, *others)
    assert np.array_equal(found[0], plain.features_)
    live = plain.features_.any(axis=1)
    assert np.array_equal(found[1][live], plain.thresholds_[live])
    assert np.abs(found[2] - plain.values_).max() < 1e-5 * max(1, np.abs(plain.values_).max())
    return list(found[3:])


def test_bins_are_those_of_searchsorted(net: tc.Session) -> None:
    x, _ = continuous(200, 3, 1)
    edges = np.array([[-1.0, -0.5, 0.0], [0.0, -0.5, 0.25], [1.0, 2.0, 0.5]])
    rows = binned(shared(net, x), net.share(edges, bounds=(-2, 2)))
    planes, hot = tc.reveal(rows.numbers, rows.hot)
    numbers = np.tensordot([1, 2], planes, 1).T
    wanted = np.stack([np.searchsorted(edges[:, at], x[:, at], "left") for at in range(3)], axis=1)
    assert np.array_equal(numbers, wanted)
    assert np.array_equal(hot.reshape(200, 3, 4), wanted[:, :, None] == np.arange(4))


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
def test_edges(net: tc.Session, strategy: str) -> None:
    x, _ = continuous(101, 3, 2)
    found, plain = edges_of(shared(net, x), 5, strategy).reveal(), edges_of(x, 5, strategy)
    assert np.abs(found - plain).max() < (1e-12 if strategy == "quantile" else 2**-15)
    if strategy == "quantile":
        assert np.array_equal(plain, np.quantile(x, [0.2, 0.4, 0.6, 0.8], axis=0, method="inverted_cdf"))


EDGES = [[-0.5, 0.0, 0.25, 1.0], [0.0], [-1.0, 1.5]]


def test_public_edges(net: tc.Session) -> None:
    """The same trees as on NumPy arrays, all of whose thresholds are among the edges of the column."""
    x, y = continuous(160, 3, 5)
    for kind, wanted in ((DecisionTreeClassifier, y > 0), (HistGradientBoostingClassifier, y > 0)):
        rest = {} if kind is DecisionTreeClassifier else {"max_iter": 3}
        plain = kind(max_depth=2, bins=EDGES, **rest).fit(x, wanted)
        model = kind(max_depth=2, bins=EDGES, **rest).fit(shared(net, x), net.share(wanted))
        (likely,) = same(model, plain, model.predict_proba(shared(net, x)))
        assert np.abs(likely - plain.predict_proba(x)).max() < 1e-4
        for node, tree in zip(*np.nonzero(plain.features_.any(axis=1)), strict=True):
            assert plain.thresholds_[node, tree] in EDGES[int(plain.features_[node, :, tree].argmax())]


def test_trees_by_public_edges_rest_on_all_rows() -> None:
    session = TrioSession()
    x, y = continuous(60, 3, 5)
    X, goal = session.share(x, bounds=(-9, 9)), session.share(y > 0)
    for bins, aggregate in ((EDGES, True), ("quantile", False), ("uniform", False)):
        model = HistGradientBoostingClassifier(max_iter=2, max_depth=2, max_bins=4, bins=bins).fit(X, goal)
        found = ((model.predict_proba(X)[:, 1] > 0.5) & goal).sum()
        plan = compile_plan([Wanted(found.node, OutputKind.REVEAL)], LAN)
        (states,) = track(plan, {handle: {"d": Rows(len(t.shape) - 1, 60)} for handle, t in plan.inputs()})
        assert isinstance(states["d"], Aggregate) == aggregate
        assert not aggregate or states["d"].count == 60


@pytest.mark.parametrize(
    "bins", [[[0.0]], [[0.0], [], [1.0]], [[1.0, 0.0], [0.0], [0.0]], [[0.0], [0.0], [np.nan]], "equal"]
)
def test_edges_that_are_none(net: tc.Session, bins: Any) -> None:
    x, y = continuous(30, 3, 5)
    with pytest.raises(InputError, match=r"edges for|'bins' parameter"):
        DecisionTreeClassifier(bins=bins).fit(shared(net, x), net.share(y > 0))


@pytest.mark.parametrize("name", ["breast_cancer", "iris", "wine"])
def test_classes_of_real_data(net: tc.Session, name: str) -> None:
    x, y = data(name)
    plain = DecisionTreeClassifier(max_depth=3, max_bins=16).fit(x, y)
    model = DecisionTreeClassifier(max_depth=3, max_bins=16).fit(shared(net, x), net.share(y, bounds=(0, int(y.max()))))
    predicted, score = tc.reveal(
        model.predict(shared(net, x)), model.score(shared(net, x), net.share(y, bounds=(0, 2)))
    )
    assert np.array_equal(predicted, plain.predict(x))
    numbers = by_bins(x, 16)
    theirs = reference.DecisionTreeClassifier(max_depth=3, random_state=0).fit(numbers, y)
    assert abs(float(score) - theirs.score(numbers, y)) < 1e-3
    assert list(model.classes_) == sorted(set(y))


def test_the_first_of_equal_columns_is_split(net: tc.Session) -> None:
    """Their gains are equal, and worked out by coins of their own."""
    x, target = continuous(200, 3, 4)
    x = np.repeat(x[:, :1], 4, axis=1)
    y = (target > 0).astype(int)
    models: list[Any] = [
        DecisionTreeClassifier(max_depth=3, max_bins=8, criterion=name).fit(shared(net, x), net.share(y, bounds=(0, 1)))
        for name in ("gini", "entropy")
    ]
    models.append(DecisionTreeRegressor(max_depth=3, max_bins=8).fit(shared(net, x), shared(net, target)))
    models.append(HistGradientBoostingClassifier(max_iter=2, max_depth=2, max_bins=8))
    models[-1].fit(shared(net, x), net.share(y, bounds=(0, 1)))
    for found in tc.reveal(*(model.features_ for model in models)):
        assert found[:, 0].any() and not found[:, 1:].any()


@pytest.mark.parametrize("criterion", ["gini", "entropy"])
def test_the_same_splits_as_scikit_learn(net: tc.Session, criterion: str) -> None:
    x, target = continuous(300, 4, 3)
    y = (target > 0).astype(int)
    given = {"criterion": criterion, "max_depth": 4, "min_samples_leaf": 5, "min_samples_split": 20}
    plain = DecisionTreeClassifier(max_bins=8, **given).fit(x, y)
    model = DecisionTreeClassifier(max_bins=8, **given)
    model.fit(shared(net, x), net.share(y, bounds=(0, int(y.max()))))
    likely, worth = same(model, plain, model.predict_proba(shared(net, x)), model.feature_importances_)
    numbers = by_bins(x, 8)
    theirs = reference.DecisionTreeClassifier(**given, random_state=0)
    theirs.fit(numbers, y)
    assert np.abs(likely - theirs.predict_proba(numbers)).max() < 1e-5
    assert np.abs(worth - theirs.feature_importances_).max() < 1e-5
    assert np.abs(plain.predict_proba(x) - theirs.predict_proba(numbers)).max() < 1e-12


def test_numbers(net: tc.Session) -> None:
    x, y = data("diabetes")
    plain = DecisionTreeRegressor(max_depth=3, max_bins=16).fit(x, y)
    model = DecisionTreeRegressor(max_depth=3, max_bins=16).fit(shared(net, x), shared(net, y))
    predicted, score = same(model, plain, model.predict(shared(net, x)), model.score(shared(net, x), shared(net, y)))
    assert np.abs(predicted - plain.predict(x)).max() < 1e-3
    numbers = by_bins(x, 16)
    theirs = reference.DecisionTreeRegressor(max_depth=3, random_state=0).fit(numbers, y)
    assert abs(float(score) - theirs.score(numbers, y)) < 1e-6


def test_a_node_that_gains_nothing_passes_its_rows_on(net: tc.Session) -> None:
    x = np.arange(16.0)[:, None]
    y = (x[:, 0] > 7).astype(int)
    model = DecisionTreeClassifier(max_depth=3, max_bins=16).fit(shared(net, x), net.share(y, bounds=(0, 1)))
    far = np.array([[-100.0], [1000.0]])
    hot, likely, reached = tc.reveal(
        model.features_, model.predict_proba(shared(net, far)), model.apply(shared(net, far))
    )
    assert hot[:, 0, 0].tolist() == [True] + [False] * 6
    assert np.array_equal(likely, [[1, 0], [0, 1]])
    assert reached.argmax(axis=0).tolist() == [0, 4]


def test_least_decrease(net: tc.Session) -> None:
    x, y = continuous(200, 3, 5)
    shares = shared(net, x), shared(net, y)
    plain = DecisionTreeRegressor(max_depth=3, max_bins=8, min_impurity_decrease=0.1).fit(x, y)
    same(DecisionTreeRegressor(max_depth=3, max_bins=8, min_impurity_decrease=0.1).fit(*shares), plain)
    numbers = by_bins(x, 8)
    theirs = reference.DecisionTreeRegressor(max_depth=3, min_impurity_decrease=0.1).fit(numbers, y)
    assert 0 < plain.features_.sum() == theirs.tree_.node_count - theirs.get_n_leaves() < 7


def test_saved(net: tc.Session) -> None:
    x, y = continuous(60, 2, 7)
    model = DecisionTreeRegressor(max_depth=2, max_bins=4).fit(shared(net, x), shared(net, y))
    model.save(net, "tree")
    loaded: Any = tc.load("tree", net)
    assert isinstance(loaded, DecisionTreeRegressor) and loaded.max_depth == 2
    assert np.array_equal(*tc.reveal(loaded.predict(shared(net, x)), model.predict(shared(net, x))))


def test_least_gains_of_entropy(net: tc.Session) -> None:
    """Against scikit-learn, with a least gain that prunes; a column of noise beside, many rows of few values."""
    draw = np.random.default_rng(6)
    x = draw.integers(0, 4, (2000, 3))
    y = (x[:, 0] + draw.integers(0, 3, 2000) > 2).astype(int)
    given = {"criterion": "log_loss", "max_depth": 3, "min_impurity_decrease": 0.01}
    plain = DecisionTreeClassifier(max_bins=4, **given).fit(x, y)
    theirs = reference.DecisionTreeClassifier(**given, random_state=0).fit(x, y)
    assert np.abs(plain.predict_proba(x) - theirs.predict_proba(x)).max() < 1e-12
    assert theirs.tree_.node_count < 15
    model = DecisionTreeClassifier(max_bins=4, **given).fit(net.share(x, bounds=(0, 3)), net.share(y, bounds=(0, 1)))
    (worth,) = same(model, plain, model.feature_importances_)
    assert np.abs(worth - theirs.feature_importances_).max() < 1e-5


def test_what_is_refused(net: tc.Session) -> None:
    x, y = continuous(20, 2, 8)
    with pytest.raises(TypeError, match="ccp_alpha: pass min_impurity_decrease"):
        DecisionTreeClassifier(ccp_alpha=0.1)
    with pytest.raises(InputError, match="'criterion' parameter must be one of 'gini', 'entropy'"):
        DecisionTreeClassifier(criterion="deviance").fit(x, y > 0)
    with pytest.raises(InputError, match=r"'max_depth' parameter .* Got None"):
        DecisionTreeRegressor(max_depth=None).fit(x, y)
    with pytest.raises(InputError, match=r"'max_bins' parameter .* in the range .2, 255.. Got 300"):
        DecisionTreeRegressor(max_bins=300).fit(x, y)
    with pytest.raises(InputError, match=r"'bins' parameter .* Got 'kmeans'"):
        DecisionTreeRegressor(bins="kmeans").fit(x, y)
    with pytest.raises(InputError, match="not fitted"):
        DecisionTreeRegressor().predict(x)
    with pytest.raises(ValueError, match="expecting 2 features"):
        DecisionTreeRegressor(max_depth=1).fit(x, y).predict(x[:, :1])


def test_public_draws() -> None:
    counts = many.resamples(1, 3, 50, 40)
    assert counts.shape == (3, 50) and (counts.sum(axis=1) == 40).all() and not np.array_equal(counts[0], counts[1])
    chosen = many.subsets(1, 3, 7, 5, 2)
    assert (chosen.sum(axis=1) == 2).all()
    assert np.array_equal(chosen[:, :, :2], many.subsets(1, 2, 7, 5, 2))
    assert many.how_many_columns("sqrt", 20) == 4 and many.how_many_columns(0.5, 20) == 10
