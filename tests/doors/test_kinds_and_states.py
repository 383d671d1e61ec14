"""What torch does beside real numbers: whole numbers and bools, ids, strides, states that are kept, copied or loaded.
Where the door cannot do as torch does, it says so by name."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", minversion="2.6")

import tercet as tc
import tercet.torch as tt

nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")
REAL = torch.tensor([[1.5, -2.0, 0.25], [3.0, -0.5, 1.0]])
OTHER = torch.tensor([[0.5, 1.0, -1.5], [2.0, -0.75, 1.0]])
WHOLE = torch.tensor([[6, -7, 3], [2, 9, -4]])
LEFT = torch.tensor([[True, False, True], [False, True, True]])
RIGHT = torch.tensor([[True, True, False], [False, True, False]])
LOGITS = torch.tensor([[0.5, -1.0, 2.0], [0.3, 0.1, -0.7], [1.0, 0.0, -0.5], [2.0, 1.0, -1.5]])
WEIGHTS = torch.tensor([0.5, 1.0, 2.0])


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


@pytest.fixture
def x(net: tc.Session) -> Any:
    return tt.share(net, REAL, bounds=(-4, 4))


# ---- kinds ----

KINDS = [
    ("sum of bools", lambda x, n, a, b: (a + b).sum()),
    ("product of bools", lambda x, n, a, b: (a * b).sum()),
    ("greatest of bools", lambda x, n, a, b: torch.maximum(a, b)),
    ("fill", lambda x, n, a, b: n.clone().fill_(2.7)),
    ("full_like", lambda x, n, a, b: torch.full_like(n, 2.7) + n),
    ("zeros_like", lambda x, n, a, b: torch.zeros_like(n) + n),
    ("new_zeros", lambda x, n, a, b: n.new_zeros(2, 3) + n),
    ("zero_", lambda x, n, a, b: n.clone().zero_().add_(n)),
    ("zeros_like of another dtype", lambda x, n, a, b: torch.zeros_like(x, dtype=torch.int64) + n),
    ("ones_like of bools", lambda x, n, a, b: torch.ones_like(b) & b),
    ("tril of whole numbers", lambda x, n, a, b: n.tril()),
    ("tril of bools", lambda x, n, a, b: b.tril()),
    ("pad", lambda x, n, a, b: F.pad(n, (1, 2), value=3)),
    ("scatter_add", lambda x, n, a, b: torch.zeros_like(n).scatter_add(1, torch.tensor([[0, 0], [2, 2]]), n)),
    ("index_add", lambda x, n, a, b: n.index_add(0, torch.tensor([0, 0]), n)),
    ("bools written into bools", lambda x, n, a, b: a.clone().logical_and_(b)),
]


def test_whole_numbers_and_bools_stay_such(net: tc.Session) -> None:
    plain = (REAL, WHOLE, LEFT, RIGHT)
    secret = [tt.share(net, one, bounds=(-10, 10)) for one in plain]
    expected = [function(*plain) for _, function in KINDS]
    found = [function(*secret) for _, function in KINDS]
    for (name, _), one, other, opened in zip(KINDS, expected, found, tc.reveal(*found), strict=True):
        assert one.dtype == other.dtype, name
        assert np.asarray(opened).dtype.kind == one.numpy().dtype.kind, name
        np.testing.assert_array_equal(opened, one.numpy(), err_msg=name)


def test_places_and_counts_are_not_vouched_for(net: tc.Session) -> None:
    x = tt.share(net, torch.eye(12)[:2], bounds=(0, 1), within=(-2, 2)).flip(1)
    pooled = F.max_pool2d(x[None], (1, 12), return_indices=True)
    found = [x.argmax(1), (x > -1).sum(), (x > -1).float().sum(), pooled[1]]
    places, *counts, where = tc.reveal(*found)
    np.testing.assert_array_equal(places, [11, 10])
    assert counts == [24, 24]
    np.testing.assert_array_equal(where, [[[11], [22]]])
    assert x.argmax(1).array.bounds == (0, 11)


def test_zeros_beside_a_secret_are_not_vouched_for(net: tc.Session, x: Any) -> None:
    made = torch.zeros_like(tt.share(net, REAL / 4, bounds=(-1, 1), within=(-1, 1)))
    made.copy_(x)
    np.testing.assert_allclose(tc.reveal(made), REAL)


def test_strides_count_in_memory(net: tc.Session, x: Any) -> None:
    np.testing.assert_allclose(tc.reveal(x.t().as_strided((4,), (1,), 0)), REAL.t().as_strided((4,), (1,), 0))
    with pytest.raises(tc.PlanError, match="a part of another tensor"):
        x[1].as_strided((2,), (1,), 0)
    with pytest.raises(tc.PlanError, match="not dense"):
        tt.share(net, REAL[:, ::2], bounds=(-4, 4)).as_strided((2,), (1,), 0)


def test_what_is_written_has_the_shape_of_its_place(x: Any) -> None:
    for write in (lambda: x[0].clone().add_(x), lambda: x.sum().mul_(x)):
        with pytest.raises(ValueError, match=r"would write numbers of shape \(2, 3\) into a tensor of shape"):
            write()


# ---- ids ----


@pytest.mark.parametrize("ignored", [-100, 1])
@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["", "weighed"])
def test_ignored_secret_classes(net: tc.Session, ignored: int, weight: Any) -> None:
    classes = torch.tensor([2, 0, 1, ignored])
    secret = tt.share(net, classes, bounds=(min(ignored, 0), 2))
    expected, found = [], []
    for reduction in ("mean", "sum", "none"):
        for smoothing in (0.0, 0.1) if weight is None else (0.0,):
            options = {"ignore_index": ignored, "reduction": reduction, "label_smoothing": smoothing, "weight": weight}
            for logits, target, into in (
                (LOGITS.clone(), classes, expected),
                (tt.share(net, LOGITS, bounds=(-3, 3)), secret, found),
            ):
                loss = F.cross_entropy(logits.requires_grad_(), target, **options)
                loss.sum().backward()
                into += [loss, logits.grad]
    for one, other in zip(expected, tc.reveal(*found), strict=True):
        np.testing.assert_allclose(other, one.detach().numpy(), atol=1e-3)


def test_the_row_that_pads_learns_nothing(net: tc.Session) -> None:
    ids = torch.tensor([[2, 1], [0, 1]])
    found = []
    secret = tt.share(net, LOGITS, bounds=(-3, 3)), tt.share(net, ids, bounds=(0, 3))
    for table, at in ((LOGITS.clone(), ids), secret):
        (F.embedding(at, table.requires_grad_(), padding_idx=1) * 2).sum().backward()
        found.append(table.grad)
    np.testing.assert_allclose(tc.reveal(found[1]), found[0], atol=1e-4)


BELOW = torch.tensor([[0, -1]])
NO_IDS = [
    ("embedding", IndexError, lambda x: F.embedding(BELOW, x)),
    ("index_select", IndexError, lambda x: x.index_select(0, BELOW[0])),
    ("gather", IndexError, lambda x: x.gather(1, BELOW)),
    ("scatter", IndexError, lambda x: x.scatter(1, BELOW, 1.0)),
    ("classes", IndexError, lambda x: F.cross_entropy(x, torch.tensor([0, 7]))),
    ("reduce", tc.PlanError, lambda x: x.scatter(1, torch.tensor([[0], [2]]), x, reduce="add")),
    ("secret places", tc.PlanError, lambda x: x.scatter(1, x[:1, :1].long().clamp(0, 2), 7.0)),
    ("a fraction", tc.PlanError, lambda x: x.sum(dtype=torch.int64)),
    ("view as", tc.PlanError, lambda x: x.view(torch.int32)),
]


@pytest.mark.parametrize(("error", "function"), [one[1:] for one in NO_IDS], ids=[one[0] for one in NO_IDS])
def test_what_torch_refuses_or_the_door_cannot(x: Any, error: Any, function: Callable[[Any], Any]) -> None:
    with pytest.raises(error, match=r"test_kinds_and_states\.py:\d+"):
        function(x)


# ---- states ----


def test_data_is_written_to(x: Any) -> None:
    parameter = nn.Parameter(x * 1)
    parameter.data = parameter.data * 0.5
    parameter.data.add_(1)
    np.testing.assert_allclose(tc.reveal(parameter), REAL * 0.5 + 1)
    parameter.data = parameter.data[:1]
    assert tc.reveal(parameter).shape == tuple(parameter.shape) == (1, 3)
    with pytest.raises(TypeError, match="a plain tensor is no data of a secret one"):
        parameter.data = torch.zeros(2, 3)


def test_there_is_no_memory_to_share(x: Any) -> None:
    assert not x.is_shared()
    with pytest.raises(TypeError, match="no memory that processes could share"):
        nn.ParameterList([nn.Parameter(x)]).share_memory()


def test_plain_statistics_of_a_batch_norm(x: Any) -> None:
    plain = nn.BatchNorm1d(3)
    with pytest.raises(TypeError, match="plain running statistics"):
        plain(x)
    np.testing.assert_allclose(tc.reveal(plain.eval()(x)), plain(REAL).detach(), atol=1e-3)


def test_a_plain_state_is_not_loaded_into_a_secret_module(net: tc.Session) -> None:
    plain = nn.Linear(3, 2)
    secret, other = (tt.share(net, nn.Linear(3, 2), bounds=(-2, 2)) for _ in range(2))
    with pytest.raises(RuntimeError, match="would make a secret module public"):
        secret.load_state_dict(plain.state_dict())
    with pytest.raises(RuntimeError, match="write secrets into a plain tensor"):
        plain.load_state_dict(secret.state_dict())
    secret.load_state_dict(other.state_dict())
    one, two = tc.reveal(secret.weight, other.weight)
    np.testing.assert_array_equal(one, two)


def test_a_copy_has_what_its_tensor_has(net: tc.Session, x: Any) -> None:
    model = tt.share(net, nn.Linear(3, 1), bounds=(-2, 2), within=(-64, 64))
    model(x).sum().backward()
    twin = copy.deepcopy(model)
    assert twin.weight._cell.kept == (-2, 2) and twin.weight._cell.within == (-64, 64)
    np.testing.assert_allclose(tc.reveal(twin.weight.grad), REAL.sum(0)[None], atol=1e-3)
    assert copy.deepcopy(x.clone().requires_grad_()).requires_grad
    masked = x.masked_fill(LEFT, float("-inf"))
    expected = REAL.masked_fill(LEFT, float("-inf")).softmax(1)
    np.testing.assert_allclose(tc.reveal(copy.deepcopy(masked).softmax(1)), expected, atol=1e-3)
    with pytest.raises(tc.PlanError, match="softmax alone"):
        tt.flush(masked)


def test_a_flush_keeps_gradients_of_a_step_to_come(net: tc.Session, x: Any) -> None:
    model = tt.share(net, nn.Linear(3, 1), bounds=(-2, 2))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.125)
    before = model.bias.detach() * 1
    for _ in range(2):
        model(x).sum().backward()
        tt.flush(model, optimiser)
    assert model.weight.grad.array.node.operation.name in {"input", "permute"}
    optimiser.step()
    tt.flush(model, optimiser)
    assert model.weight.grad is None
    np.testing.assert_allclose(tc.reveal(model.bias - before), [-0.5], atol=1e-4)


def test_parameters_in_the_same_memory(net: tc.Session) -> None:
    model = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    nn.utils.vector_to_parameters(nn.utils.parameters_to_vector(model.parameters()), model.parameters())
    tt.share(net, model, bounds=(-1, 1))  # side by side
    model[1].weight = nn.Parameter(model[0].weight.detach().t())
    with pytest.raises(tc.PlanError, match=r"0\.weight and 1\.weight are in the same memory"):
        tt.share(net, model, bounds=(-1, 1))


def test_a_flush_of_views(x: Any) -> None:
    wide, base = x[0].expand(3, 3), x * 2
    row = base[0]
    tt.flush(wide, row)
    with torch.no_grad():
        row.add_(1)
    np.testing.assert_allclose(tc.reveal(wide), REAL[0].expand(3, 3))
    np.testing.assert_allclose(tc.reveal(base), REAL * 2 + torch.tensor([[1.0], [0.0]]))


def test_anomalies_are_looked_for(x: Any) -> None:
    with torch.autograd.detect_anomaly():
        leaf = x.clone().detach().requires_grad_()
        (leaf * 3).sum().backward()
    np.testing.assert_allclose(tc.reveal(leaf.grad), np.full((2, 3), 3.0))
