"""What a torch program on secrets may not do: the error names the line, the operation and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", minversion="2.6")

import tercet as tc
import tercet.torch as tt

nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


@pytest.fixture
def x(net: tc.Session) -> Any:
    return tt.share(net, torch.tensor([[1.5, -2.0], [0.25, 3.0]]), bounds=(-4, 4))


PLAIN = [
    ("bool", lambda x: bool(x[0, 0] > 0)),
    ("if", lambda x: 1 if x.sum() > 0 else 0),
    ("item", lambda x: x[0, 0].item()),
    ("float", lambda x: float(x[0, 0])),
    ("int", lambda x: int(x[0, 0])),
    ("tolist", lambda x: x.tolist()),
    ("numpy", lambda x: x.numpy()),
    ("array", lambda x: np.asarray(x)),
    ("in", lambda x: 1.5 in x),
    ("is_nonzero", lambda x: torch.is_nonzero(x[0, 0])),
    ("equal", lambda x: torch.zeros(2)[x[0].long()]),
    ("plain target", lambda x: torch.zeros(2, 2).add_(x)),
]


@pytest.mark.parametrize("function", [one for _, one in PLAIN], ids=[name for name, _ in PLAIN])
def test_a_secret_does_not_turn_plain(x: Any, function: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"secret.*test_refusals\.py:\d+.*; "):
        function(x)


NO_RULE = [
    ("bitwise_and of whole numbers", lambda x: x.long() & 1),
    ("linalg_inv_ex", torch.linalg.inv),
    ("adaptive_max_pool2d", lambda x: F.adaptive_max_pool2d(x.repeat(2, 2)[None], 3)),
    ("nonzero", lambda x: x.nonzero()),
    ("sort", lambda x: x.sort()),
    ("fft_r2c", lambda x: torch.fft.rfft(x)),
    ("add with out=", lambda x: torch.add(x, x, out=torch.zeros_like(x))),
]


@pytest.mark.parametrize(("name", "function"), NO_RULE, ids=[name for name, _ in NO_RULE])
def test_an_operation_without_rule(x: Any, name: str, function: Callable[[Any], Any]) -> None:
    with pytest.raises(tc.PlanError, match=rf"no rule for aten::_?{name}.*test_refusals\.py:\d+.*reveal"):
        function(x)


class Inner(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.sort()


def test_the_module_is_named(x: Any) -> None:
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.ReLU(), Inner()))
    with pytest.raises(tc.PlanError, match=r"test_refusals\.py:\d+, 1\.1\)"):
        model(x)


@pytest.mark.parametrize("kind", ["Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"])
def test_optimisers_that_need_more_bits(net: tc.Session, x: Any, kind: str) -> None:
    model = tt.share(net, nn.Linear(2, 1), bounds=(-2, 2))
    optimiser = getattr(torch.optim, kind)(model.parameters(), lr=0.01)
    model(x).sum().backward()
    with pytest.raises(
        tc.PlanError,
        match=rf"SGD alone .* not {kind.lower().removesuffix('w')}w? .*16 fractional bits",
    ):
        optimiser.step()


def test_a_deep_network_without_bounds_is_refused(net: tc.Session) -> None:
    model = nn.Sequential(*[nn.Linear(32, 32) for _ in range(16)])
    with pytest.raises(tc.PlanError, match="overflow"):
        tt.share(net, model, bounds=(-4, 4))(torch.ones(1, 32))
    # with bounds that somebody vouches for it is not
    tt.share(net, model, bounds=(-4, 4), within=(-64, 64))(torch.ones(1, 32))


def test_numbers_outside_of_the_bounds(net: tc.Session) -> None:
    with pytest.raises(tc.InputError, match="bounds"):
        tt.share(net, torch.tensor([1.0, 9.0]), bounds=(-4, 4))
    with pytest.raises(tc.InputError):
        tt.share(net, torch.tensor([float("nan")]), bounds=(-4, 4))


def test_infinite_masks_go_to_softmax_alone(x: Any) -> None:
    mask = torch.tensor([[True, False], [False, True]])
    masked = x.masked_fill(mask, float("-inf"))
    uses = (lambda: masked + 1, lambda: masked.sum(), lambda: masked.view(4), lambda: masked.log_softmax(1))
    for use in (*uses, lambda: masked.clone(), lambda: torch.where(mask, masked, 1.0)):
        with pytest.raises(tc.PlanError, match="minus infinity goes to softmax alone"):
            use()
    for tensor in (masked, masked.detach()):
        with pytest.raises(tc.PlanError, match="minus infinity goes to softmax alone"):
            tc.reveal(tensor)
    with pytest.raises(tc.PlanError, match="minus infinity goes to softmax alone"):
        (x * 1).masked_fill_(mask, float("-inf"))
    with pytest.raises(tc.PlanError, match="infinities"):
        x.masked_fill(mask, float("inf"))


def test_numbers_keep_their_kind(x: Any) -> None:
    whole = x.long()
    with pytest.raises(tc.PlanError, match=r"no rule for writing fixed.* into a tensor of torch\.int64"):
        whole.copy_(x)
    real = x * 1
    real.copy_(x > 0)
    np.testing.assert_array_equal(tc.reveal(real), [[1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_array_equal(tc.reveal(whole), [[1, -2], [0, 3]])


def test_shapes_change_in_place(x: Any) -> None:
    base = x * 1
    with torch.no_grad():
        turned = base.detach().transpose_(0, 1)
        turned[0].mul_(2)
        wide = base.detach().unsqueeze_(0).squeeze_().t_()
    for one in (turned, wide):
        assert one.shape == (2, 2) and one.stride() == (1, 2)
        np.testing.assert_allclose(tc.reveal(one), [[3.0, 0.5], [-2.0, 3.0]])
    np.testing.assert_allclose(tc.reveal(base), [[3.0, -2.0], [0.5, 3.0]])
    with pytest.raises(tc.PlanError, match="no rule for aten::resize_"):
        base.resize_(1)


def test_what_is_shared_wrapped_and_flushed(net: tc.Session, x: Any) -> None:
    with pytest.raises(TypeError, match="plain torch tensor or module, not ndarray"):
        tt.share(net, np.ones(3))
    with pytest.raises(TypeError, match="not SecretTensor"):
        tt.share(net, x)
    with pytest.raises(TypeError, match="secret array of numbers or bools, not list"):
        tt.wrap([1])
    with pytest.raises(TypeError, match="modules, optimisers and secret tensors, not int"):
        tt.flush(3)
    with pytest.raises(TypeError, match="not pickled"):
        torch.save(x, "/nowhere")
    with pytest.raises(TypeError, match="CPU of its parties"):
        x.to("meta")


def test_a_representation_shows_no_value(net: tc.Session, x: Any) -> None:
    assert repr(x) == str(x) == f"{x}" == "SecretTensor(2, 2; fixed, bounds -4 to 4)"
    assert "public so far" in repr(torch.zeros_like(x))
    assert repr(x > 0) == "SecretTensor(2, 2; bool)"


def test_arrays_go_in_and_out(net: tc.Session, x: Any) -> None:
    array = net.share(np.array([1, 2, 3]), bounds=(0, 5))
    tensor = tt.wrap(array)
    assert tensor.dtype == torch.int64 and tensor.array is array
    np.testing.assert_array_equal(tc.reveal(tensor + 1), [2, 3, 4])
    first, second = tc.reveal(x, array)
    np.testing.assert_allclose(first, [[1.5, -2.0], [0.25, 3.0]])
    np.testing.assert_array_equal(second, [1, 2, 3])
    np.testing.assert_array_equal(tc.reveal(torch.ones_like(x)), np.ones((2, 2)))
    assert torch.equal((x > 0).reveal(), torch.tensor([[True, False], [True, True]]))
    assert "SecretTensor" not in str(x.explain()) and tc.explain(x).plan is not None
    assert tc.persist(x)[0].shape == (2, 2)


def test_views_see_what_is_written(x: Any) -> None:
    base = x * 1
    row, whole, flat = base[0], base.detach(), base.view(4)
    with torch.no_grad():
        row.fill_(1.0)
        base.add_(1)
        flat[3] = 0.5
    expected = [[2.0, 2.0], [1.25, 0.5]]
    for one, other in ((base, expected), (whole, expected), (row, expected[0]), (flat, [*expected[0], *expected[1]])):
        np.testing.assert_allclose(tc.reveal(one), other)
    with pytest.raises((ValueError, RuntimeError)):
        base[0].expand(3, 2).add_(1)
