"""Torch's own modules, backward() and SGD on secret parameters, step by step as in plain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", minversion="2.6")

import tercet as tc
import tercet.torch as tt

nn, F = torch.nn, torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")
CLOSE = 6e-5
"""Of weights after three steps: four units of their last place, as rounding is random."""


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def mlp() -> Any:
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4))


class LeNet(nn.Module):
    """A small one, for images of 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(2)
        )
        self.head = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return self.head(self.features(x).flatten(1))


def steps(net: tc.Session, model: Any, x: Any, loss_of: Any, count: int = 3, **options: Any) -> list[float]:
    """Train in plain (float64) and on shares; how far each parameter is off."""
    plain = model.double()
    secret = tt.share(net, model.float(), bounds=(-8, 8), within=(-256, 256))
    plain = model.double()
    hidden = tt.share(net, x, bounds=(-4, 4))
    both = [(plain, torch.optim.SGD(plain.parameters(), **options), x.double())]
    both.append((secret, torch.optim.SGD(secret.parameters(), **options), hidden))
    for _ in range(count):
        for one, optimiser, images in both:
            optimiser.zero_grad()
            loss_of(one(images)).backward()
            optimiser.step()
        tt.flush(secret, both[1][1])
        assert {parameter._cell.value.node.operation.name for parameter in secret.parameters()} == {"input"}
    pairs = zip(plain.parameters(), tc.reveal(*secret.parameters()), strict=True)
    return [float(np.abs(one.detach().numpy() - other).max()) for one, other in pairs]


@pytest.mark.parametrize("options", [{"lr": 0.1}, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}])
def test_steps_of_an_mlp(net: tc.Session, options: dict[str, float]) -> None:
    torch.manual_seed(1)
    x, y = torch.randn(6, 8).clamp(-3, 3), torch.randn(6, 4)
    assert max(steps(net, mlp(), x, lambda out: F.mse_loss(out, y.to(out.dtype)), **options)) < CLOSE


def test_steps_of_lenet(net: tc.Session) -> None:
    torch.manual_seed(2)
    x, y = torch.rand(4, 1, 8, 8), torch.tensor([0, 3, 1, 2])
    assert max(steps(net, LeNet(), x, lambda out: F.cross_entropy(out, y), lr=0.05, momentum=0.9)) < CLOSE


def test_forward_of_secret_weights_and_public_images(net: tc.Session) -> None:
    torch.manual_seed(3)
    model, x = LeNet(), torch.rand(3, 1, 8, 8)
    secret = tt.share(net, model, bounds=(-1, 1))
    found = secret(x)
    assert isinstance(found, tt.SecretTensor) and found.shape == (3, 4) and found.dtype == torch.float32
    np.testing.assert_allclose(tc.reveal(found), model(x).detach().numpy(), atol=1e-4)
    assert torch.equal(found.argmax(1).reveal(), model(x).argmax(1))


def test_a_secret_class_trains_as_a_public_one(net: tc.Session) -> None:
    torch.manual_seed(4)
    x, y = torch.randn(5, 4).clamp(-3, 3), torch.tensor([0, 2, 1, 2, 0])
    given = [y, tt.share(net, y, bounds=(0, 2))]
    gradients = []
    for classes in given:
        logits = tt.share(net, x, bounds=(-3, 3)).requires_grad_()
        F.cross_entropy(logits[:, :3], classes).backward()
        gradients.append(tc.reveal(logits.grad))
    np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-4)


def test_the_running_statistics_of_a_batch_norm(net: tc.Session) -> None:
    torch.manual_seed(5)
    model, x = nn.BatchNorm2d(2), torch.randn(4, 2, 3, 3).clamp(-3, 3)
    secret = tt.share(net, model, bounds=(-4, 4), within=(-64, 64))
    for one in (model, secret):
        one(x if one is model else tt.share(net, x, bounds=(-3, 3)))
    tt.flush(secret)
    np.testing.assert_allclose(tc.reveal(secret.running_mean), model.running_mean.numpy(), atol=1e-4)
    np.testing.assert_allclose(tc.reveal(secret.running_var), model.running_var.numpy(), atol=1e-4)
    model.eval(), secret.eval()
    np.testing.assert_allclose(tc.reveal(secret(x)), model(x).detach().numpy(), atol=1e-3)


def test_an_encoder_of_a_transformer(net: tc.Session) -> None:
    torch.manual_seed(6)
    model = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    x = torch.randn(2, 3, 8).clamp(-3, 3)
    secret, loss = tt.share(net, model, bounds=(-4, 4), within=(-64, 64)), []
    for one in (model, secret):
        out = one(x)
        (out * torch.linspace(-1, 1, 48).reshape(2, 3, 8)).sum().backward()
        loss.append([out, *(parameter.grad for parameter in one.parameters())])
    for expected, found in zip(loss[0], tc.reveal(*loss[1]), strict=True):
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=5e-3, atol=5e-3)


def test_a_recurrent_layer(net: tc.Session) -> None:
    torch.manual_seed(7)
    model, x = nn.LSTM(4, 3, batch_first=True), torch.randn(3, 2, 4).clamp(-3, 3)
    secret = tt.share(net, model, bounds=(-2, 2), within=(-64, 64))
    with pytest.raises(tc.PlanError, match=r"mkldnn\.flags"):
        secret(tt.share(net, x, bounds=(-3, 3)))
    with torch.backends.mkldnn.flags(enabled=False):
        found = secret(tt.share(net, x, bounds=(-3, 3)))[0]
    np.testing.assert_allclose(tc.reveal(found), model(x)[0].detach().numpy(), atol=1e-3)


def test_bounds_from_a_public_sample() -> None:
    weights = torch.tensor([[3.0, 4.0]], requires_grad=True)
    run = lambda: (weights * 2).sum().backward()
    assert tt.calibrated(run, margin=1) == (-16, 16)
    assert tt.calibrated(run) == (-16384, 16384)
    with pytest.raises(ValueError, match="a margin is 1"):
        tt.calibrated(run, margin=0.5)
    with pytest.raises(ValueError, match="nothing but zeros"):
        tt.calibrated(lambda: None)


def test_dropout_draws_public_masks(net: tc.Session) -> None:
    x = tt.share(net, torch.ones(40), bounds=(0, 1))
    found = tc.reveal(F.dropout(x, 0.5))
    assert set(np.round(found, 3)) == {0.0, 2.0}


def test_tied_parameters_stay_tied(net: tc.Session) -> None:
    model = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    model[1].weight = model[0].weight
    secret = tt.share(net, model, bounds=(-1, 1))
    assert secret[1].weight is secret[0].weight


def test_a_flush_keeps_the_plan_of_a_step_as_long(net: tc.Session) -> None:
    x, y = torch.ones(2, 8), torch.zeros(2, 4)
    lengths = {}
    for kept in (True, False):
        model = tt.share(net, mlp(), bounds=(-2, 2), within=(-64, 64))
        optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(3):
            optimiser.zero_grad()
            F.mse_loss(model(x), y).backward()
            optimiser.step()
            if kept:
                tt.flush(model, optimiser)
        lengths[kept] = len(model[0].weight.explain().plan.operations)
    assert lengths[True] < 10 < lengths[False]


def test_bounds_that_are_vouched_for_are_checked(net: tc.Session) -> None:
    model = tt.share(net, nn.Linear(2, 1), bounds=(-1, 1), within=(-1, 1))
    with torch.no_grad():
        model.weight.mul_(0).add_(1)
        model.bias.mul_(0)
    out = model(tt.share(net, torch.tensor([[3.0, 2.0]]), bounds=(0, 4)))
    with pytest.raises(tc.InputError, match="an assumption does not hold"):
        tc.reveal(out, checked=True)
