"""Every model that a facade in scikit-learn's names has."""

from __future__ import annotations

import importlib

from tercet.learn.model import SecretModel

FACADES = (
    "calibration",
    "cluster",
    "decomposition",
    "discriminant_analysis",
    "ensemble",
    "feature_selection",
    "impute",
    "isotonic",
    "linear_model",
    "mixture",
    "naive_bayes",
    "neighbors",
    "preprocessing",
    "svm",
    "tree",
)


def every_model() -> list[type[SecretModel]]:
    """Their classes, by name."""
    modules = [importlib.import_module(f"tercet.{name}") for name in FACADES]
    classes = (one for module in modules for one in vars(module).values() if isinstance(one, type))
    return sorted({one for one in classes if issubclass(one, SecretModel)}, key=lambda one: one.__name__)
