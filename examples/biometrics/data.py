"""Invented iris codes of travellers enrolled at three border posts, with facts of the field.

Neighbouring bits of a code hang together, so that codes of different people differ in a half of their bits with a
spread as of about 300 coin tosses. Codes of one eye differ in a seventh of them, more if the picture is poor; lids and
lashes hide a part; heads are tilted by a few columns. No eye stands behind these codes. The same seed gives the same
codes everywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tercet.biometrics import iris_code

POSTS = {"airport": 180, "harbour": 130, "bridge": 90}
"""Posts, and how many people each has enrolled."""
SHAPE = (16, 200, 4)
"""Rows, columns and bits of a place."""
BITS = int(np.prod(SHAPE))


def eyes(people: int, seed: int) -> Any:
    """(people, rows, columns, bits): smooth fields, of which a camera sees the signs."""
    rng = np.random.default_rng([seed, 0])
    rows, columns, bits = SHAPE
    waves = rng.normal(size=(people, rows, columns, bits))
    across, along = np.fft.fftfreq(rows)[:, None, None], np.fft.fftfreq(columns)[:, None]
    kept = np.exp(-((across / 0.12) ** 2) - (along / 0.03) ** 2)
    smooth = np.fft.ifft2(np.fft.fft2(waves, axes=(1, 2)) * kept, axes=(1, 2)).real
    return smooth / smooth.std()


def pictures(fields: Any, seed: int, blur: float = 0.35, tilt: int = 0) -> tuple[Any, Any]:
    """Codes and masks (people, bits) of one picture of each eye, noisy and turned by up to `tilt` columns."""
    rng = np.random.default_rng([seed, 1])
    people, rows, columns, bits = fields.shape
    blurred = blur * rng.gamma(4, 0.25, (people, 1, 1, 1))
    code = fields + blurred * rng.normal(size=fields.shape) > 0
    # the upper lid hides a run of columns of the outer rows, lashes single places
    lid, width = rng.integers(0, columns, people), rng.integers(10, 60, people)
    hidden = (np.arange(columns) - lid[:, None]) % columns < width[:, None]
    seen = ~(hidden[:, None, :] & (np.arange(rows) >= rows // 2)[None, :, None])[..., None]
    seen = seen & (rng.random((people, rows, columns, 1)) > 0.05) & np.ones(bits, dtype=bool)
    turned = rng.integers(-tilt, tilt + 1, people) if tilt else np.zeros(people, dtype=int)
    turn = [(np.roll(c, t, axis=1), np.roll(s, t, axis=1)) for c, s, t in zip(code, seen, turned, strict=True)]
    return iris_code(*(np.stack(each).reshape(people, -1) for each in zip(*turn, strict=True)))


def enrolment(seed: int = 2026) -> tuple[dict[str, pa.Table], Any]:
    """Each post's templates, a row for each place of each code, person after person; and the eyes, in that order."""
    fields = eyes(sum(POSTS.values()), seed)
    codes, masks = pictures(fields, seed)
    tables, first = {}, 0
    for post, people in POSTS.items():
        own = slice(first, first + people)
        tables[post] = pa.table({"code": codes[own].reshape(-1), "mask": masks[own].reshape(-1)})
        first += people
    return tables, fields


def write_schema(folder: Path) -> Path:
    """What the two columns mean: agreed by all three, and public."""
    path = folder / "irises.toml"
    path.write_text(SCHEMA, encoding="utf-8")
    return path


SCHEMA = """\
# A row for each place of each code, one person after the other.
[[columns]]
name = "code"
kind = "integer"
lo = -1
hi = 1

[[columns]]
name = "mask"
kind = "integer"
lo = 0
hi = 1
"""
