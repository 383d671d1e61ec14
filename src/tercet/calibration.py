"""Calibrated classifiers, under scikit-learn's names."""

from tercet.learn.calibrating import CalibratedClassifierCV
from tercet.learn.score_metrics import calibration_curve

__all__ = ["CalibratedClassifierCV", "calibration_curve"]
