"""`tercet.plot`: plots of secret data. Each reveals only the numbers that it draws, and says above what they were."""

from tercet.learn.plots import (
    box,
    calibration,
    confusion,
    distribution,
    forest,
    precision_recall,
    residuals,
    roc,
    survival,
)

__all__ = [
    "box",
    "calibration",
    "confusion",
    "distribution",
    "forest",
    "precision_recall",
    "residuals",
    "roc",
    "survival",
]
