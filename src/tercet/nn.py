"""`tercet.nn`: activations, convolutions and pools of secret arrays under the names of `torch.nn.functional`."""

from typing import NoReturn as _NoReturn

from tercet.array.elsewhere import missing as _missing
from tercet.array.nn import elu, gelu, hardtanh, leaky_relu, log_softmax, one_hot, relu, silu, softmax
from tercet.array.windows import avg_pool1d, avg_pool2d, conv1d, conv2d, max_pool1d, max_pool2d

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "conv1d",
    "conv2d",
    "elu",
    "gelu",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "one_hot",
    "relu",
    "silu",
    "softmax",
]


def __getattr__(name: str) -> _NoReturn:
    raise _missing(__name__, name)
