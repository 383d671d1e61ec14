"""Torch's own samples of its operations (OpInfo), by the table's rules on NumPy arrays: results and derivatives are
torch's, or an error says that there is no rule. On shares the same rules are tested in `test_table.py`."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", minversion="2.6")
pytest.importorskip("expecttest")

from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_map

from tercet.torch.cells import TensorCell
from tercet.torch.tensor import SecretTensor

pytestmark = pytest.mark.filterwarnings("ignore")
SAMPLES = 3
LARGEST = 200
OTHERWISE = {
    **dict.fromkeys(("exponential", "geometric", "log_normal"), "draws"),
    **dict.fromkeys(("empty_like", "new_empty", "new_empty_strided"), "what was in memory"),
    **dict.fromkeys(("half", "bfloat16"), "numbers keep their bits"),
    "native_batch_norm": "keeps statistics in evaluation, too",
    "torch.ops.aten._safe_softmax.default": "plain minus infinity is no fact",
}
"""Operations whose results are others, and why. It may only shrink."""
AT_LEAST = 250
"""Operations that run, of at least one sample."""


def hidden(x: Any) -> Any:
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        return x
    like = torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")
    return SecretTensor(TensorCell(x.detach().numpy().copy()), like).requires_grad_(x.requires_grad)


def plain(x: Any) -> Any:
    real = isinstance(x, torch.Tensor) and x.is_floating_point()
    return x.detach().clone().requires_grad_(x.requires_grad) if real else x


def shown(x: Any) -> Any:
    return np.asarray(x._cell.value if isinstance(x, SecretTensor) else x.detach().resolve_conj().numpy())


def worked_out(operation: Any, sample: Any, kind: Any) -> list[Any]:
    """Results, and derivatives by what they are worked out of."""
    given = [kind(sample.input), *tree_map(kind, list(sample.args))]
    options = tree_map(kind, dict(sample.kwargs))
    found = operation(*given, **options)
    results = [one for one in (found if isinstance(found, tuple | list) else [found]) if isinstance(one, torch.Tensor)]
    leaves = [x for x in (*given, *options.values()) if isinstance(x, torch.Tensor) and x.requires_grad]
    real = [one for one in results if one.requires_grad and one.is_floating_point()]
    derivatives: Any = []
    if real and leaves:
        weights = [torch.arange(1, one.numel() + 1, dtype=one.dtype).reshape(one.shape).cos() for one in real]
        total = sum((one * weight).sum() for one, weight in zip(real, weights, strict=True))
        derivatives = torch.autograd.grad(total, leaves, allow_unused=True)
    return [None if one is None else shown(one) for one in (*results, *derivatives)]


def test_results_are_those_of_torch() -> None:
    wrong, ran = [], set()
    for operation in op_db:
        if operation.name in OTHERWISE or torch.float64 not in operation.supported_dtypes("cpu"):
            continue
        try:
            every = operation.sample_inputs("cpu", torch.float64, requires_grad=operation.supports_autograd)
            samples = list(itertools.islice(every, SAMPLES))
        except Exception:  # some need libraries that are not here
            continue
        for sample in samples:
            if not isinstance(sample.input, torch.Tensor) or sample.input.numel() > LARGEST:
                continue
            try:
                expected, found = (worked_out(operation, sample, kind) for kind in (plain, hidden))
            except Exception:  # torch's own refusals, and ours: wrong numbers are looked for, not missing ones
                continue
            ran.add(operation.name)
            for one, other in zip(expected, found, strict=True):
                same = (
                    one is None
                    or other is None
                    or (one.shape == other.shape and np.allclose(one, other, rtol=1e-6, atol=1e-6, equal_nan=True))
                )
                if not same:
                    wrong.append((operation.name, str(sample.args)[:80], str(sample.kwargs)[:80]))
    assert wrong == []
    assert len(ran) >= AT_LEAST
