"""`tercet.models`: what a model of your own is made of, and what all models have."""

from tercet.learn.inputs import Classes, array_namespace, classes_of, features, labels, target, weights
from tercet.learn.kinds import ClassifierModel, RegressorModel, TransformerModel
from tercet.learn.model import SecretModel
from tercet.learn.public_random import PublicRandom

__all__ = [
    "Classes",
    "ClassifierModel",
    "PublicRandom",
    "RegressorModel",
    "SecretModel",
    "TransformerModel",
    "array_namespace",
    "classes_of",
    "features",
    "labels",
    "target",
    "weights",
]
