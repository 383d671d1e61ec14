"""The workloads on biometrics: `python benchmarks/run.py biometrics`. `elements` are enrolled templates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import tercet as tc
from tercet.biometrics import FaceGallery, IrisGallery, iris_code, rotations, unit_vectors
from workloads import Run, Workload


@dataclass(frozen=True)
class Matching(Workload):
    """`pairs`: with how many probes each template is compared, rotations counted; `published`: pairs/s a core."""

    pairs: int = 1
    published: int | None = None


PUBLISHED = 690_000
"""Comparisons of iris codes a second and core: Bloemen, Gillespie, Kales, Sippl, Walch, arXiv 2405.04463v2 (2024), on
their machine."""
TURNS = 31
BITS = 12_800


def irises(probes: int) -> Callable[[tc.Session, int], Run]:
    def make(net: tc.Session, enrolled: int) -> Run:
        rng = np.random.default_rng(1)
        code, mask = iris_code(rng.random((enrolled, BITS)) < 0.5, rng.random((enrolled, BITS)) < 0.85)
        gallery = IrisGallery().fit(net.share(code, bounds=(-1, 1)), net.share(mask, bounds=(0, 1)))
        asked = [np.concatenate([rotations(each[k]) for k in range(probes)]) for each in (code, mask)]
        codes, masks = net.share(asked[0], bounds=(-1, 1)), net.share(asked[1], bounds=(0, 1))
        return lambda: gallery.enrolled(codes, masks).reveal()

    return make


def faces(net: tc.Session, enrolled: int) -> Run:
    vectors = unit_vectors(np.random.default_rng(1).normal(size=(enrolled, 512)))
    gallery = FaceGallery().fit(net.share(vectors, bounds=(-1024, 1024)))
    asked = net.share(vectors[:1], bounds=(-1024, 1024))
    return lambda: gallery.enrolled(asked).reveal()


BIOMETRICS = (
    Matching("iris, 1 probe x 31", 4_000, None, irises(1), 5, pairs=TURNS, published=PUBLISHED),
    Matching("iris, 8 probes x 31", 4_000, None, irises(8), 3, pairs=8 * TURNS, published=PUBLISHED),
    Matching("faces of 512, 1 probe", 100_000, None, faces, 5),
)
