"""Values of other libraries that stand for arrays by `__tercet_array__`, as secret tensors of torch do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tercet as tc


@dataclass
class Tensor:
    held: Any

    def __tercet_array__(self) -> Any:
        return self.held


def test_they_are_revealed_kept_and_explained() -> None:
    with tc.local() as net:
        x, plain = net.share([1, 2, 3], bounds=(0, 4)), np.ones(2)
        np.testing.assert_array_equal(tc.reveal(Tensor(x)), [1, 2, 3])
        first, second, third = tc.reveal(x + 1, Tensor(x), Tensor(plain))
        assert first.tolist() == [2, 3, 4] and second.tolist() == [1, 2, 3] and third is plain
        assert tc.reveal(Tensor(plain)) is plain
        assert tc.persist(Tensor(x))[0].reveal().tolist() == [1, 2, 3]
        assert tc.explain(Tensor(x)).plan.outputs
        # nothing else that is plain becomes an answer
        with pytest.raises(TypeError, match="takes secret arrays"):
            tc.reveal(plain)
        with pytest.raises(TypeError, match="takes secret arrays"):
            tc.persist(Tensor(plain))
