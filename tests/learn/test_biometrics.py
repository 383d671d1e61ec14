"""Iris codes and embeddings: the same decisions as in plain, and nothing but them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tercet as tc
from tercet.biometrics import FaceGallery, IrisGallery, iris_code, rotations, unit_vectors
from tercet.errors import InputError
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan

SHAPE = (4, 20, 2)
BITS = 160


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def people(n: int, bits: int = BITS, seed: int = 1) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.random((n, bits)) < 0.5, rng.random((n, bits)) < 0.8


def seen_again(bits: Any, noise: float, seed: int) -> Any:
    return bits ^ (np.random.default_rng(seed).random(bits.shape) < noise)


def plainly_near(bits: Any, mask: Any, probe: Any, probe_mask: Any, threshold: float) -> Any:
    """By its definition, in fractions."""
    both = mask[:, None] & probe_mask[None]
    differ, seen = ((bits[:, None] ^ probe[None]) & both).sum(axis=2), both.sum(axis=2)
    limit = Fraction(threshold).limit_denominator(1000)
    return np.array(
        [[d < limit * int(s) for d, s in zip(*rows, strict=True)] for rows in zip(differ, seen, strict=True)]
    )


def shared(net: tc.Session, code: Any, mask: Any) -> tuple[Any, Any]:
    return net.share(code, bounds=(-1, 1)), net.share(mask, bounds=(0, 1))


@pytest.mark.parametrize("threshold", [0, 0.32, 1 / 3, 0.375, 0.5])
def test_iris_decisions(net: tc.Session, threshold: float) -> None:
    bits, mask = people(12)
    mask[3] = False  # nothing of whom was seen
    probe, probe_mask = seen_again(bits[:5], 0.3, 2), people(5, seed=3)[1]
    probe[0], probe_mask[0] = bits[0], mask[0]
    want = plainly_near(bits, mask, probe, probe_mask, threshold)
    enrolled, asked = iris_code(bits, mask), iris_code(probe, probe_mask)
    plain = IrisGallery(threshold).fit(*enrolled)
    assert (plain.near(*asked) == want).all()
    secret = IrisGallery(threshold).fit(*shared(net, *enrolled))
    near, matches, one = tc.reveal(
        secret.near(*shared(net, *asked)), secret.matches(*asked), secret.enrolled(*shared(net, *asked))
    )
    assert (near == want).all() and (matches == want.any(axis=1)).all() and bool(one) == want.any()
    assert not want[3].any()


def test_probes_that_read_templates_match_nobody(net: tc.Session) -> None:
    """One bit and no mask would tell that bit of a template; a loud vector a third of all faces."""
    bits, mask = people(3)
    enrolled, ones = iris_code(bits, mask), np.eye(BITS, dtype=np.int8)[:9]
    probes = [(ones, ones * 0), (ones, ones), (ones, ones * 0 + 1), (enrolled[0], enrolled[1] * ones[0])]
    for secret in (False, True):
        gallery = IrisGallery().fit(*(shared(net, *enrolled) if secret else enrolled))
        found = [gallery.near(*(shared(net, *probe) if secret else probe)) for probe in probes]
        assert not any(one.any() for one in (tc.reveal(*found) if secret else found))
    # what a code says beside its mask does not count
    half = (mask & (np.arange(BITS) < 130)).astype(np.int8)
    gallery = IrisGallery(0.2, 0.3).fit(*enrolled)
    assert (gallery.near(enrolled[0], half) == gallery.near(enrolled[0] * half, half)).all()
    assert gallery.near(enrolled[0], half).diagonal().all()
    assert not IrisGallery(0.2, 0.9).fit(*enrolled).near(*enrolled).any()
    rng = np.random.default_rng(5)
    faces = unit_vectors(rng.normal(size=(40, 64)))
    loud = np.concatenate([np.full((1, 64), 1024), faces[:1].astype(int) * 2, faces[:1]])
    assert FaceGallery().fit(faces).near(loud).any(axis=0).tolist() == [False, False, True]
    close, kept = FaceGallery(-1.0).fit(net.share(faces, bounds=(-1024, 1024))), net.share(loud, bounds=(-1024, 1024))
    assert close.near(kept).any(axis=0).reveal().tolist() == [False, False, True]
    edge = unit_vectors(np.ones((1, 64)) * np.where(np.arange(64) < 1, 1.3, 1))
    assert FaceGallery(0.9).fit(edge).enrolled(edge)


def test_a_tilted_eye_is_found(net: tc.Session) -> None:
    bits, mask = people(6)
    tilted = [np.roll(x[2].reshape(SHAPE), 3, axis=1).reshape(-1) for x in (bits, mask)]
    code, seen = iris_code(*tilted)
    gallery = IrisGallery().fit(*shared(net, *iris_code(bits, mask)))
    straight = gallery.enrolled(*shared(net, code[None], seen[None]))
    turned = gallery.matches(*shared(net, rotations(code, 4, SHAPE), rotations(seen, 4, SHAPE)))
    assert not straight.reveal()
    assert turned.reveal().tolist() == [False, False, True, False, False, False]
    grid = rotations(code, 1, SHAPE)
    assert (grid[1] == code).all() and (grid[0].reshape(SHAPE)[:, :-1] == code.reshape(SHAPE)[:, 1:]).all()


def test_full_codes_take_the_narrow_product(net: tc.Session) -> None:
    """12,800 bits, of which every one is seen and equal, or differs: sums at the ends of their range."""
    bits = np.repeat(people(1, 12_800)[0], 180, axis=0)
    bits[1::2] ^= True
    mask = np.ones_like(bits)
    probe, seen = iris_code(bits[:1], mask[:1])
    asked = rotations(probe[0]), rotations(seen[0])
    gallery = IrisGallery().fit(*shared(net, *iris_code(bits, mask)))
    matches = gallery.matches(*shared(net, *asked))
    plan = compile_plan([Wanted(matches.node, OutputKind.REVEAL)], LAN)
    assert [op.operation.name for op in plan.operations].count("matmul_narrow") == 2
    with net.measure() as cost:
        assert matches.reveal().tolist() == [True, False] * 90
    assert cost.rounds == matches.explain().rounds


def test_faces(net: tc.Session) -> None:
    rng = np.random.default_rng(5)
    faces = rng.normal(size=(40, 64))
    probes = faces[:6] + 0.6 * rng.normal(size=(6, 64))
    enrolled, asked = unit_vectors(faces), unit_vectors(probes)
    cosines = (enrolled.astype(int) @ asked.T.astype(int)) / 4**10
    exact = (faces / np.linalg.norm(faces, axis=1)[:, None]) @ (probes / np.linalg.norm(probes, axis=1)[:, None]).T
    step = 2.0**-10 * 8
    assert np.abs(cosines - exact).max() < step * (1 + step / 4)
    for threshold in (-0.1, 0.25, float(cosines[0, 0]), 1.0):
        gallery = FaceGallery(threshold).fit(net.share(enrolled, bounds=(-1024, 1024)))
        near, one = tc.reveal(
            gallery.near(net.share(asked, bounds=(-1024, 1024))),
            gallery.enrolled(net.share(asked, bounds=(-1024, 1024))),
        )
        assert (near == (cosines >= threshold)).all() and bool(one) == (cosines >= threshold).any()
        assert (FaceGallery(threshold).fit(enrolled).near(asked) == near).all()
        assert (FaceGallery(threshold).fit(enrolled).matches(asked) == near.any(axis=1)).all()


def test_a_gallery_is_kept(net: tc.Session) -> None:
    code, mask = iris_code(*people(5))
    IrisGallery(0.375).fit(*shared(net, code, mask)).save(net, "enrolled")
    found = tc.load("enrolled", net)
    assert isinstance(found, IrisGallery) and found.threshold == 0.375
    assert found.matches(*shared(net, code[2:3], mask[2:3])).reveal().tolist() == [False, False, True, False, False]


def test_what_does_not_fit_is_refused(net: tc.Session) -> None:
    code, mask = iris_code(*people(4))
    with pytest.raises(InputError, match="threshold"):
        IrisGallery(0.6).fit(code, mask)
    with pytest.raises(InputError, match="threshold"):
        FaceGallery(40).fit(code)
    with pytest.raises(InputError, match="masks"):
        IrisGallery().fit(code, mask[:2])
    with pytest.raises(InputError, match="masks are no integers from 0 to 1"):
        IrisGallery().fit(code, code)
    with pytest.raises(InputError, match="codes are no integers"):
        IrisGallery().fit(net.share(code, bounds=(-2, 2)), net.share(mask, bounds=(0, 1)))
    gallery = IrisGallery().fit(code, mask)
    with pytest.raises(InputError, match="codes have shape"):
        gallery.near(code[0], mask[0])
    with pytest.raises(InputError, match="codes have shape"):
        gallery.near(code[:, 1:], mask[:, 1:])
    with pytest.raises(InputError, match="not fitted"):
        IrisGallery().near(code, mask)
    with pytest.raises(InputError, match="bits have shape"):
        iris_code(code, mask[:1])
    with pytest.raises(InputError, match="no 4 x 20 places"):
        rotations(code[0, 1:], 3, SHAPE)
    with pytest.raises(InputError, match="each way"):
        rotations(code[0], 10, SHAPE)
    with pytest.raises(InputError, match="no direction"):
        unit_vectors(np.zeros((2, 3)))
    with pytest.raises(InputError, match="frac_bits"):
        unit_vectors(np.ones(3), 14)
