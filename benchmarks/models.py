"""The workloads on models: `python benchmarks/run.py models`. `elements` are rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier as RandomForestOfSklearn

import tercet as tc
from tercet.cluster import KMeans
from tercet.decomposition import PCA
from tercet.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from tercet.feature_selection import SelectKBest
from tercet.linear_model import Lasso, LinearRegression, LogisticRegression, SGDClassifier
from tercet.metrics import roc_auc_score
from tercet.naive_bayes import GaussianNB
from tercet.preprocessing import StandardScaler
from workloads import Run, Workload, regression


def features(net: tc.Session, rows: int, columns: int, seed: int = 1) -> tuple[Any, Any]:
    """Standard normal features within [-8, 8], plain and shared."""
    x = np.random.default_rng(seed).normal(size=(rows, columns)).clip(-7.9, 7.9)
    return x, net.share(x, bounds=(-8, 8))


def predictions(net: tc.Session, rows: int) -> Run:
    x, X = features(net, rows, 10)
    model = LinearRegression().fit(X, net.share(x @ np.arange(10) / 8, bounds=(-64, 64)))
    model.save(net, "model")
    return lambda: model.predict(X).persist()


def classes(net: tc.Session, rows: int, columns: int) -> tuple[Any, Any]:
    """Features, and two classes of noisy linear scores, shared."""
    x, X = features(net, rows, columns)
    rng = np.random.default_rng(2)
    return X, net.share((x @ rng.normal(size=columns) + rng.logistic(size=rows) > 0).astype(np.int64), bounds=(0, 1))


def mini_batches(net: tc.Session, rows: int) -> Run:
    """10 passes over batches of 256 rows: 400 steps for 10,000 rows."""
    X, y = classes(net, rows, 30)
    return lambda: (
        SGDClassifier("log_loss", penalty=None, learning_rate="constant", eta0=0.1, random_state=0)
        .fit(X, y)
        .coef_.persist()
    )


def logistic(net: tc.Session, rows: int) -> Run:
    X, y = classes(net, rows, 10)
    return lambda: LogisticRegression(max_iter=8).fit(X, y).coef_.persist()


def lasso(net: tc.Session, rows: int) -> Run:
    x, X = features(net, rows, 50)
    noise = np.random.default_rng(3).normal(size=rows)
    y = net.share((x[:, :10] @ np.linspace(-2, 2, 10) + noise).clip(-63, 63), bounds=(-64, 64))
    return lambda: Lasso(alpha=0.05, max_iter=20).fit(X, y).coef_.persist()


def boosted(net: tc.Session, rows: int) -> Run:
    """20 trees of depth 4, 32 bins, exact sigmoid."""
    X, y = classes(net, rows, 20)
    model = HistGradientBoostingClassifier(max_iter=20, max_depth=4, max_bins=32)

    def run() -> Any:
        model.fit(X, y)
        return tc.persist(model.features_, model.thresholds_, model.values_)

    return run


def forest(net: tc.Session, rows: int) -> Run:
    """100 trees of depth 6 of an owner, whose columns, thresholds and leaves stay secret."""
    x, X = features(net, rows, 20)
    y = x[:2000, 0] + x[:2000, 1] * x[:2000, 2] > 0
    fitted = RandomForestOfSklearn(100, max_depth=6, random_state=0).fit(x[:2000], y)
    model = RandomForestClassifier.from_sklearn(fitted, net)
    model.save(net, "forest")
    return lambda: model.predict_proba(X).persist()


def standardised(net: tc.Session, rows: int) -> Run:
    _, X = features(net, rows, 10)
    return lambda: StandardScaler().fit_transform(X).persist()


def chosen(net: tc.Session, rows: int) -> Run:
    x, X = features(net, rows, 10)
    y = net.share(x[:, 0] + x[:, 3] > 0)
    return lambda: SelectKBest("f_classif", k=3).fit_transform(X, y).persist()


def area(net: tc.Session, rows: int) -> Run:
    rng = np.random.default_rng(1)
    y, score = net.share(rng.random(rows) < 0.3), net.share(rng.random(rows), bounds=(0, 1))
    return lambda: roc_auc_score(y, score).reveal()


def components(net: tc.Session, rows: int) -> Run:
    _, X = features(net, rows, 20)

    def run() -> Any:
        model = PCA(5).fit(X)
        return tc.persist(model.components_, model.explained_variance_)

    return run


def clusters(net: tc.Session, rows: int) -> Run:
    """From given centres, so that every run makes the same passes."""
    x, X = features(net, rows, 4)
    return lambda: KMeans(5, init=x[:5], max_iter=10).fit(X).cluster_centers_.persist()


def bayes(net: tc.Session, rows: int) -> Run:
    x, X = features(net, rows, 10)
    y = net.share((x[:, 0] > 0).astype(np.int64), bounds=(0, 1))

    def run() -> Any:
        model = GaussianNB().fit(X, y)
        return tc.persist(model.theta_, model.var_)

    return run


MODELS = (
    Workload("boosted trees, 20,000 x 20, 20 of depth 4, 32 bins", 20_000, 20.0, boosted, 1),
    Workload("random forest, predict 10,000 rows, 100 trees of depth 6", 10_000, 5.0, forest, 3),
    Workload("logistic regression, 10,000 x 30, 400 mini-batches", 10_000, 1.5, mini_batches, 3),
    Workload("LogisticRegression to convergence, 100,000 x 10", 100_000, None, logistic, 1),
    Workload("Lasso, 10,000 x 50", 10_000, 3.0, lasso, 3),
    Workload("LinearRegression, 100,000 x 10", 100_000, 0.4, regression, 5),
    Workload("LinearRegression, predict 100,000 x 10", 100_000, None, predictions, 5),
    Workload("StandardScaler, 100,000 x 10", 100_000, None, standardised, 3),
    Workload("SelectKBest, 100,000 x 10", 100_000, None, chosen, 3),
    Workload("ROC AUC, 100,000 scores", 100_000, None, area, 3),
    Workload("PCA, 100,000 x 20, 5 components", 100_000, 2.0, components, 3),
    Workload("KMeans, 100,000 x 4, 5 centres, 10 passes", 100_000, 2.0, clusters, 3),
    Workload("GaussianNB, 100,000 x 10, 2 classes", 100_000, None, bayes, 3),
)
