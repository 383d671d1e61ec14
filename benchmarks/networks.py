"""The workloads on convolutional networks: `python benchmarks/run.py networks`. `elements` are images.

Weights and images are secret; weights are random, as times and bytes do not depend on them. A network is written once,
for NumPy and for secret arrays. After each layer its values are assumed to lie within 64 times the largest magnitude
that the same layer has on a public sample, as a power of two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import tercet as tc
from tercet import nn
from workloads import Run, Workload

MARGIN = 64
Weights = Mapping[str, Any]
Within = Callable[[str, Any], Any]
"""What is done with the values of a layer, by its name."""
Forward = Callable[[Any, Weights, Within], Any]


def lenet(x: Any, w: Weights, within: Within) -> Any:
    """Two convolutions of 5 x 5 with pools and two dense layers, on 28 x 28 digits."""
    for name in ("conv1", "conv2"):
        x = within(name, nn.conv2d(x, w[name], w[f"{name} bias"]))
        x = nn.relu(nn.max_pool2d(x, 2))
    x = nn.relu(within("dense1", x.reshape((x.shape[0], -1)) @ w["dense1"] + w["dense1 bias"]))
    return within("dense2", x @ w["dense2"] + w["dense2 bias"])


def lenet_shapes() -> dict[str, tuple[int, ...]]:
    return {"conv1": (16, 1, 5, 5), "conv2": (16, 16, 5, 5), "dense1": (256, 100), "dense2": (100, 10)}


STAGES = (64, 128, 256, 512)


def resnet18(x: Any, w: Weights, within: Within) -> Any:
    """Normalisation is part of the convolutions before it, as in every network that is only run."""
    x = within("conv1", nn.conv2d(x, w["conv1"], w["conv1 bias"], 2, 3))
    x = nn.relu(nn.max_pool2d(x, 3, 2, 1))
    for stage in range(len(STAGES)):
        for block in range(2):
            name, stride = f"stage{stage}.{block}", 2 if stage and not block else 1
            y = within(f"{name}.1", nn.conv2d(x, w[f"{name}.1"], w[f"{name}.1 bias"], stride, 1))
            y = nn.conv2d(nn.relu(y), w[f"{name}.2"], w[f"{name}.2 bias"], 1, 1)
            if f"{name}.0" in w:
                x = nn.conv2d(x, w[f"{name}.0"], w[f"{name}.0 bias"], stride)
            x = nn.relu(within(f"{name}.2", x + y))
    x = x.mean(axis=(2, 3))
    return within("dense", x @ w["dense"] + w["dense bias"])


def resnet18_shapes() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"conv1": (64, 3, 7, 7)}
    channels = STAGES[0]
    for stage, wide in enumerate(STAGES):
        for block in range(2):
            name = f"stage{stage}.{block}"
            if channels != wide:
                found[f"{name}.0"] = (wide, channels, 1, 1)
            found[f"{name}.1"], found[f"{name}.2"] = (wide, channels, 3, 3), (wide, wide, 3, 3)
            channels = wide
    return {**found, "dense": (channels, 1000)}


def weights_of(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Such that values keep their size from layer to layer."""
    rng = np.random.default_rng(3)
    found = {}
    for name, shape in shapes.items():
        terms, outputs = (shape[0], shape[1]) if len(shape) == 2 else (int(np.prod(shape[1:])), shape[0])
        gain = 0.3 if name.endswith(".2") else 1.0
        found[name] = rng.normal(size=shape) * gain * np.sqrt(2 / terms)
        found[f"{name} bias"] = rng.normal(size=outputs) * 0.1
    return found


def images_of(count: int, shape: tuple[int, ...], seed: int) -> Any:
    return np.random.default_rng(seed).random((count, *shape))


def sheet_of(forward: Forward, weights: Weights, sample: Any) -> dict[str, float]:
    """The bound of each layer."""
    found: dict[str, float] = {}

    def measured(name: str, x: Any) -> Any:
        found[name] = MARGIN * 2.0 ** np.ceil(np.log2(np.abs(x).max()))
        return x

    forward(sample, weights, measured)
    return found


def network(
    name: str,
    forward: Forward,
    shapes: Callable[[], dict[str, tuple[int, ...]]],
    shape: tuple[int, ...],
    images: int,
    target_s: float | None,
    repeats: int,
    *,
    peer_s: float | None = None,
    peer: str = "",
) -> Workload:
    def make(net: tc.Session, count: int) -> Run:
        plain = weights_of(shapes())
        sheet = sheet_of(forward, plain, images_of(1, shape, 9))
        weights = {
            key: net.share(value, bounds=(-np.abs(value).max(), np.abs(value).max())) for key, value in plain.items()
        }
        x = net.share(images_of(count, shape, 1), bounds=(0, 1))
        within = lambda name, y: tc.assume(y, (-sheet[name], sheet[name]))  # noqa: E731
        return lambda: forward(x, weights, within).reveal()

    def truth(count: int) -> tuple[Any]:
        return (forward(images_of(count, shape, 1), weights_of(shapes()), lambda name, y: y),)

    return Workload(name, images, target_s, make, repeats, peer_s, truth, peer)


DIGIT = (1, 28, 28)
NETWORKS = (
    network("LeNet, 1 image", lenet, lenet_shapes, DIGIT, 1, 0.02, 9, peer_s=0.34, peer="SPU"),
    network("LeNet, 32 images", lenet, lenet_shapes, DIGIT, 32, 0.10, 5, peer_s=2.39, peer="SPU"),
    network("ResNet-18, 64 x 64", resnet18, resnet18_shapes, (3, 64, 64), 1, None, 3),
    network("ResNet-18, 224 x 224", resnet18, resnet18_shapes, (3, 224, 224), 1, 1.2, 3),
)
