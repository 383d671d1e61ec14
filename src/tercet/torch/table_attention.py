"""Rules of attention, and what is said of torch's fused layers that have none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tercet import array as xp
from tercet.torch.cells import HIDDEN, Held, OfCells, Rule, WithFacts, fact_of, value_of
from tercet.torch.refusals import no_rule
from tercet.torch.table_arithmetic import added
from tercet.torch.table_functions import softmax_but


def _turned(x: Held) -> Held:
    return xp.permute_dims(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _weights(q: Held, k: Held, causal: bool, mask: Any, scale: float) -> Held:
    """What each row attends to, in shares that add up to 1; what a public mask hides has none."""
    scores = xp.matmul(xp.multiply(q, scale), _turned(k))
    hidden = None
    if causal:
        hidden = np.broadcast_to(np.triu(np.ones(scores.shape[-2:], np.bool_), 1), scores.shape)
    elif isinstance(mask, np.ndarray) and mask.dtype == np.bool_:
        hidden = np.broadcast_to(~mask, scores.shape)
    elif mask is not None:
        found = added(scores, mask)
        scores = found.value if isinstance(found, WithFacts) else found
        hidden = found.facts[HIDDEN] if isinstance(found, WithFacts) else None
    return softmax_but(scores, hidden, -1)


def _attention(
    q: Held, k: Held, v: Held, dropout: float = 0.0, causal: bool = False, *, attn_mask: Any = None, scale: Any = None
) -> tuple[WithFacts, Held]:
    if dropout:
        raise no_rule("attention with dropout", "apply F.dropout to its result")
    weights = _weights(q, k, causal, attn_mask, _scale(q, scale))
    # the logarithms that torch keeps for the derivative are replaced by the shares
    return WithFacts(xp.matmul(weights, v), {"weights": weights}), np.zeros(q.shape[:-1])


def _scale(q: Held, scale: Any) -> float:
    return 1 / math.sqrt(q.shape[-1]) if scale is None else float(scale)


def _attention_backward(
    grad: Any,
    q: Any,
    k: Any,
    v: Any,
    out: Any,
    logarithms: Any,
    dropout: float,
    causal: bool,
    *,
    attn_mask: Any = None,
    scale: Any = None,
) -> tuple[Held, Held, Held]:
    weights, back = fact_of(out, "weights"), value_of(grad)
    factor = _scale(value_of(q), scale)
    if weights is None:
        weights = _weights(value_of(q), value_of(k), causal, value_of(attn_mask), factor)
    by_weights = xp.multiply(xp.matmul(back, _turned(value_of(v))), weights)
    total = xp.sum(by_weights, axis=-1, keepdims=True)
    by_scores = xp.multiply(xp.subtract(by_weights, xp.multiply(weights, total)), factor)
    return (
        xp.matmul(by_scores, value_of(k)),
        xp.matmul(_turned(by_scores), value_of(q)),
        xp.matmul(_turned(weights), back),
    )


def _fused(name: str, instead: str) -> Rule:
    def rule(*args: Any, **kwargs: Any) -> Any:
        raise no_rule(f"aten::{name}", instead)

    return rule


_ONE_BY_ONE = "call torch.backends.mha.set_fastpath_enabled(False) before"

RULES: Mapping[str, Rule] = {
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention_for_cpu_backward": OfCells(_attention_backward),
    "mkldnn_rnn_layer": _fused("mkldnn_rnn_layer", "run it under `with torch.backends.mkldnn.flags(enabled=False)`"),
    "_transformer_encoder_layer_fwd": _fused("_transformer_encoder_layer_fwd", _ONE_BY_ONE),
    "_native_multi_head_attention": _fused("_native_multi_head_attention", _ONE_BY_ONE),
}
