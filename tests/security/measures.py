"""Simple statistics of bytes, with the probabilities that uniform bytes would look so odd."""

from __future__ import annotations

import math
import zlib

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def chi_square_tail(statistic: float, freedom: int) -> float:
    """How probable it is that a chi-square variable of this freedom is at least so large (Wilson, Hilferty)."""
    spread = 2 / (9 * freedom)
    z = ((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return 0.5 * math.erfc(z / math.sqrt(2))


def uniformity(data: Bytes) -> float:
    """How probable bytes at least so unevenly distributed are, were they uniform."""
    expected = len(data) / 256
    counts = np.bincount(data, minlength=256)
    return chi_square_tail(float(((counts - expected) ** 2).sum() / expected), 255)


def homogeneity(one: Bytes, other: Bytes) -> float:
    """How probable two histograms of bytes so different are, were both drawn from one distribution."""
    a, b = np.bincount(one, minlength=256).astype(float), np.bincount(other, minlength=256).astype(float)
    both = a + b
    share = len(one) / (len(one) + len(other))
    return chi_square_tail(float(((a - share * both) ** 2 / (both * share * (1 - share))).sum()), 255)


def features(data: Bytes) -> list[float]:
    """What a simple distinguisher looks at."""
    whole = data[: len(data) // 8 * 8]
    words = whole.view(np.uint64)
    signed = words.view(np.int64).astype(float)
    bits = np.unpackbits(data)
    return [
        float(data.mean()),
        float(bits.mean()),
        float(data.var()),
        float(signed.mean()),
        float(np.abs(signed).mean()),
        float((words & np.uint64(1)).mean()),
        float((words >> np.uint64(63)).mean()),
        float(np.corrcoef(data[:-1], data[1:])[0, 1]) if data.std() else 0.0,
        float(np.corrcoef(signed[::2][: len(signed) // 2], signed[1::2])[0, 1]) if signed.std() else 0.0,
        float(np.unpackbits(np.bitwise_xor(words[:-1], words[1:]).view(np.uint8)).mean()),
        float(len(zlib.compress(data.tobytes(), 1))),
        float(len(np.unique(words))),
        float(words.min() / 2.0**64),
        float(words.max() / 2.0**64),
        *(float(column.mean()) for column in whole.reshape(-1, 8).T),
    ]


def guesses(samples: list[Bytes], labels: list[bool]) -> tuple[int, int]:
    """Learn from the first half to tell labels by features, guess those of the second; gives (right, all).

    For each feature the best threshold, in the better direction, is taken; the majority of all features decides, and
    so does the single feature that was best: the better of the two is given.
    """
    table = np.array([features(sample) for sample in samples])
    truth = np.array(labels)
    half = len(samples) // 2
    votes, accuracy = [], []
    for feature in table.T:
        learnt, best = feature[:half], (0.0, 0.0, True)
        for threshold in np.unique(learnt):
            right = float(((learnt >= threshold) == truth[:half]).mean())
            best = max(best, (right, threshold, True), (1 - right, threshold, False))
        votes.append((feature[half:] >= best[1]) == best[2])
        accuracy.append(best[0])
    majority = np.mean(votes, axis=0) >= 0.5
    single = votes[int(np.argmax(accuracy))]
    return max(int((guess == truth[half:]).sum()) for guess in (majority, single)), len(samples) - half


def luck(right: int, trials: int) -> float:
    """How probable at least so many right guesses are, by chance; for the better of two guessers at most twice that."""
    return min(1.0, 2 * sum(math.comb(trials, hits) for hits in range(right, trials + 1)) / 2**trials)
