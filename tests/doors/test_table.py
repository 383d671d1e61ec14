"""Each operation of the lowering table, forward and backward, against torch in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", minversion="2.6")

import tercet as tc
import tercet.torch as tt

F = torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


@dataclass(frozen=True)
class Case:
    """A function of tensors of these shapes, whose elements lie between `low` and `high`."""

    name: str
    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    low: float = -2.0
    high: float = 2.0
    tolerance: float = TOLERANCE


def case(name: str, function: Callable[..., Any], *shapes: tuple[int, ...], **rest: Any) -> Any:
    return pytest.param(Case(name, function, shapes, **rest), id=name)


M, V, I = (3, 4), (4,), (2, 3, 6, 6)
IDS = torch.tensor([[0, 2], [2, 1]])
CLASSES = torch.tensor([2, 0, 3])
MASK = torch.tensor([[True, False, True, True], [False, True, False, True], [True, True, False, False]])
PUBLIC = torch.tensor([[0.5, -1.0, 2.0, 0.25], [1.0, 0.0, -0.5, 1.5], [2.0, 1.0, -1.5, 0.125]], dtype=torch.float64)


def written(x: Any) -> Any:
    """Torch writes in place, into a view."""
    y = x * 2
    y[:, 0] = 0
    y[1] += 1.5
    y.view(-1)[3:5].mul_(3)
    return y


MOVES = [
    case("view", lambda x: x.view(2, 6), M),
    case("reshape of a transpose", lambda x: x.t().reshape(-1), M),
    case("t of a line", lambda x: x.t() * 2, V),
    case("permute", lambda x: x.permute(1, 2, 0), (2, 3, 4)),
    case("expand", lambda x: x.expand(5, 3, 4), M),
    case("squeeze", lambda x: x.unsqueeze(1).squeeze(), M),
    case("select and slice", lambda x: x[1, ::2] + x[:, 1:3].sum(), M),
    case("split", lambda x: x.split([1, 3], 1)[1] * 2, M),
    case("chunk", lambda x: x.chunk(2, 1)[1], M),
    case("unbind", lambda x: x.unbind(1)[2], M),
    case("cat", lambda x, y: torch.cat([x, y, PUBLIC], 0), M, M),
    case("stack", lambda x, y: torch.stack([x, y], 1), M, M),
    case("flip", lambda x: x.flip(1), M),
    case("roll", lambda x: x.roll(2, 1), M),
    case("pad", lambda x: F.pad(x, (1, 2, -1, 1), value=0.5), M),
    case("tril", lambda x: x.tril() - x.triu(1), M),
    case("index", lambda x: x[IDS[:, 0], IDS[:, 1]], M),
    case("index of bools", lambda x: x[MASK], M),
    case("index_select", lambda x: x.index_select(1, IDS[1]), M),
    case("gather", lambda x: x.gather(1, IDS), M),
    case("scatter_add", lambda x, y: x.scatter_add(1, IDS, y[:2, :2]), M, M),
    case("diagonal", lambda x: x.diagonal(), M),
    case("repeat", lambda x: x.repeat(2, 1), M),
    case("unfold", lambda x: x.unfold(1, 2, 1), M),
    case("embedding", lambda x: F.embedding(IDS, x), M),
    case("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), (1, 4, 2, 2)),
    case("written in place", written, M),
    case("masked_fill", lambda x: x.masked_fill(MASK, 0.5), M),
    case("where of a public condition", lambda x, y: torch.where(MASK, x, y), M, M),
    case("to another dtype", lambda x: x.to(torch.float32).double() * x.half(), M),
]

ARITHMETIC = [
    case("add", lambda x, y: x + y - 0.5, M, V),
    case("alpha", lambda x, y: torch.add(x, y, alpha=-0.3), M, M),
    case("rsub", lambda x: 1 - x, M),
    case("mul", lambda x, y: x * y, M, V),
    case("mul by public", lambda x: x * PUBLIC / 3, M),
    case("div", lambda x, y: x / y, M, M, low=0.5),
    case("reciprocal", lambda x: 1 / x, M, low=0.5),
    case("sum", lambda x: x.sum(1) + x.sum(), M),
    case("mean", lambda x: x.mean(0, keepdim=True) * x.mean(), M),
    case("var", lambda x: x.var(1), M),
    case("std", lambda x: x.std(0, correction=0), M, low=0.5, tolerance=4e-3),
    case("cumsum", lambda x: x.cumsum(1), M),
    case("lerp", lambda x, y: x.lerp(y, 0.3), M, M),
    case("mm", lambda x, y: x @ y.t(), M, M),
    case("mm by public", lambda x: x @ PUBLIC.to(x.dtype).t(), M),
    case("bmm", lambda x, y: x @ y, (2, 3, 4), (2, 4, 2)),
    case("matmul of a matrix and a vector", lambda x, y: x @ y, M, V),
    case("dot", lambda x, y: x.dot(y), V, V),
    case("outer", lambda x, y: x.outer(y), V, V),
    case("einsum", lambda x, y: torch.einsum("ij,kj->ik", x, y), M, M),
    case("linear of a line", lambda x, w, b: F.linear(x, w, b), V, (2, 4), (2,)),
    case("linear", lambda x, w, b: F.linear(x, w, b), M, (2, 4), (2,)),
    case("baddbmm", lambda a, x, y: torch.baddbmm(a, x, y, beta=0.5, alpha=2), (2, 3, 2), (2, 3, 4), (2, 4, 2)),
    case("addcmul", lambda x, y, z: torch.addcmul(x, y, z, value=0.5), M, M, M),
    case("pow", lambda x: x**2 + x**3, M),
    case("prod of two", lambda x: x[0] * x[1] * x[2], M),
    case("norm", lambda x: x.norm(), M, tolerance=4e-3),
]

SIGNS = [
    case("relu in place", lambda x: F.relu(x * 1, inplace=True) * 2, M),
    case("relu", F.relu, M),
    case("hardtanh", F.hardtanh, M),
    case("relu6", lambda x: F.relu6(3 * x), M),
    case("clamp", lambda x: x.clamp(-0.5, 1), M),
    case("clamp of one side", lambda x: x.clamp(min=0.3) * x.clamp_max(0.1), M),
    case("leaky_relu", lambda x: F.leaky_relu(x, 0.1), M),
    case("abs", lambda x: x.abs(), M),
    case("maximum", torch.maximum, M, M),
    case("minimum", torch.minimum, M, M),
    case("amax", lambda x: x.amax(1), M),
    case("max", lambda x: x.max(1).values, M),
    case("where", lambda x, y: torch.where(x > y, x, 2 * y), M, M),
    case("comparisons", lambda x, y: ((x < y) & (x >= 0)).to(x.dtype) * x, M, M),
    case("hardswish", lambda x: F.hardswish(2 * x), M),
    case("hardsigmoid", lambda x: F.hardsigmoid(2 * x), M),
]

FUNCTIONS = [
    case("exp", torch.exp, M),
    case("log", torch.log, M, low=0.5),
    case("sqrt", torch.sqrt, M, low=0.5),
    case("rsqrt", torch.rsqrt, M, low=0.5),
    case("sigmoid", torch.sigmoid, M),
    case("tanh", torch.tanh, M),
    case("silu", F.silu, M),
    case("gelu", F.gelu, M),
    case("gelu by tanh", lambda x: F.gelu(x, approximate="tanh"), M),
    case("erf", torch.erf, M),
    case("elu", lambda x: F.elu(x, 0.7), M),
    case("softplus", F.softplus, M),
    case("softplus with a threshold", lambda x: F.softplus(x, 2, 1), M),
    case("logsigmoid", F.logsigmoid, M),
    case("sin and cos", lambda x: x.sin() + x.cos(), M),
    case("softmax", lambda x: x.softmax(1), M),
    case("log_softmax", lambda x: x.log_softmax(1), M),
    case("logsumexp", lambda x: x.logsumexp(1), M),
]

LAYERS = [
    case("conv1d", lambda x, w: F.conv1d(x, w, padding=1), (2, 3, 6), (2, 3, 3)),
    case("conv2d", lambda x, w, b: F.conv2d(x, w, b), I, (2, 3, 3, 3), (2,)),
    case("conv2d by steps", lambda x, w: F.conv2d(x, w, stride=2, padding=1), I, (2, 3, 3, 3)),
    case("conv2d of holes", lambda x, w: F.conv2d(x, w, stride=(1, 2), dilation=2, padding=(2, 1)), I, (2, 3, 3, 2)),
    case("conv2d of groups", lambda x, w: F.conv2d(x, w, padding=1, groups=3), I, (6, 1, 3, 3)),
    case("conv3d", lambda x, w: F.conv3d(x, w, padding=1), (1, 2, 3, 3, 3), (2, 2, 2, 2, 2)),
    case("conv_transpose1d", lambda x, w, b: F.conv_transpose1d(x, w, b, 2), (2, 3, 4), (3, 2, 3), (2,)),
    case("conv_transpose2d", lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1), I, (3, 2, 3, 3)),
    case("avg_pool1d", lambda x: F.avg_pool1d(x, 2), (2, 3, 6)),
    case("max_pool1d", lambda x: F.max_pool1d(x, 3, 2, 1), (2, 3, 6)),
    case("avg_pool2d", lambda x: F.avg_pool2d(x, 2), I),
    case("avg_pool2d that overlaps", lambda x: F.avg_pool2d(x, 3, 2, 1), I),
    case("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, 3) * F.adaptive_avg_pool2d(x, 1), I),
    case("adaptive_avg_pool2d unevenly", lambda x: F.adaptive_avg_pool2d(x, (4, 5)), I),
    case("max_pool2d", lambda x: F.max_pool2d(x, 2), I),
    case("max_pool2d that overlaps", lambda x: F.max_pool2d(x, 3, 2, 1), I),
    case("upsample", lambda x: F.interpolate(x, scale_factor=2), (1, 2, 3, 3)),
    case("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, True), I, (3,), (3,), tolerance=3e-3),
    case("layer_norm", lambda x, w, b: F.layer_norm(x, (4,), w, b), M, V, V, tolerance=3e-3),
    case("group_norm", lambda x: F.group_norm(x, 3), I, tolerance=3e-3),
]

UPPER = torch.triu(torch.ones(3, 3, dtype=torch.bool), 1)
HEADS = (2, 2, 3, 4)


def attention(**options: Any) -> Callable[..., Any]:
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options)


def masked_softmax(x: Any) -> Any:
    return (x @ x.t()).masked_fill(UPPER, float("-inf")).softmax(-1)


ATTENTION = [
    case("attention", attention(), HEADS, HEADS, HEADS),
    case("attention to what was before", attention(is_causal=True), HEADS, HEADS, HEADS),
    case("attention with a mask of bools", attention(attn_mask=~UPPER), HEADS, HEADS, HEADS),
    case("masked softmax", masked_softmax, M),
]

LOSSES = [
    case("mse", F.mse_loss, M, M),
    case("mse by sum", lambda x, y: F.mse_loss(x, y, reduction="sum"), M, M),
    case("l1", F.l1_loss, M, M),
    case("huber", lambda x, y: F.huber_loss(x, y, delta=0.7), M, M),
    case("smooth_l1", lambda x, y: F.smooth_l1_loss(x, y, beta=0.5), M, M),
    case("bce", lambda x: F.binary_cross_entropy(x, MASK.to(x.dtype)), M, low=0.1, high=0.9),
    case("bce with logits", lambda x: F.binary_cross_entropy_with_logits(x, MASK.to(x.dtype)), M),
    case("nll", lambda x: F.nll_loss(x, CLASSES), M),
    case("cross entropy", lambda x: F.cross_entropy(x, CLASSES), M),
    case("cross entropy with weights", lambda x: F.cross_entropy(x, CLASSES, PUBLIC[2].abs().to(x.dtype)), M),
    case("cross entropy of images", lambda x: F.cross_entropy(x, IDS[None].repeat(2, 1, 1)), (2, 3, 2, 2)),
    case("cross entropy of shares", lambda x, y: F.cross_entropy(x, y.softmax(1)), M, M),
    case("kl_div", lambda x, y: F.kl_div(x, y, reduction="batchmean", log_target=True), M, M),
    case("kl_div of shares", lambda x: F.kl_div(x, PUBLIC.abs().to(x.dtype) / 4), M),
    case("cosine", lambda x, y: F.cosine_similarity(x, y), M, M, tolerance=4e-3),
]


def both(case: Case, net: tc.Session) -> tuple[list[Any], list[Any]]:
    """(result, derivatives) in plain and of secrets."""
    rng = np.random.default_rng(len(case.name))
    values = [np.round(rng.uniform(case.low, case.high, shape), 3) for shape in case.shapes]
    plain = [torch.tensor(value, requires_grad=True) for value in values]
    secret = [
        tt.share(
            net, torch.tensor(value, dtype=torch.float32, requires_grad=True), bounds=(min(case.low, 0), case.high)
        )
        if case.low < 0
        else tt.share(net, torch.tensor(value, dtype=torch.float32, requires_grad=True), bounds=(case.low, case.high))
        for value in values
    ]
    found = []
    for leaves in (plain, secret):
        result = case.function(*leaves)
        weights = torch.linspace(0.5, 1.5, result.numel(), dtype=torch.float64).reshape(result.shape)
        (result * weights.to(result.dtype)).sum().backward()
        found.append([result, *(leaf.grad for leaf in leaves)])
    there = [at for at, one in enumerate(found[0]) if one is not None]
    opened = tc.reveal(*(found[1][at] for at in there))
    return [found[0][at].detach().numpy() for at in there], list(opened if len(there) > 1 else [opened])


@pytest.mark.parametrize("case", [*MOVES, *ARITHMETIC, *SIGNS, *FUNCTIONS, *LAYERS, *ATTENTION, *LOSSES])
def test_as_torch(case: Case, net: tc.Session) -> None:
    expected, found = both(case, net)
    assert len(expected) > 1
    for one, other in zip(expected, found, strict=True):
        assert one.shape == np.shape(other)
        np.testing.assert_allclose(other, one, rtol=case.tolerance, atol=case.tolerance)
