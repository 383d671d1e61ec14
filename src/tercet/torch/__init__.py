"""Torch's modules, autograd and optimisers on secret tensors: `pip install 'tercet[torch]'`.

import tercet as tc, tercet.torch as tt

with tc.local() as net:
    model = tt.share(net, torch.nn.Linear(4, 1), bounds=(-8, 8))
    print(tc.reveal(model(tt.share(net, torch.rand(3, 4), bounds=(0, 1)))))
"""

from importlib import import_module
from importlib.util import find_spec

from tercet.errors import ConfigError

_LEAST = (2, 6)
_HINT = "pip install 'tercet[torch]'"


def _check_torch() -> None:
    if find_spec("torch") is None or not hasattr(import_module("torch"), "__version__"):
        raise ConfigError("tercet.torch needs torch, which is not installed", hint=_HINT)
    version = str(import_module("torch").__version__)
    if tuple(int(part) for part in version.split(".")[:2]) < _LEAST:
        raise ConfigError(f"tercet.torch needs torch 2.6 or later, and {version} is installed", hint=_HINT)


_check_torch()

from tercet.torch.bounds import calibrated  # noqa: E402
from tercet.torch.sharing import flush, share, wrap  # noqa: E402
from tercet.torch.tensor import SecretTensor  # noqa: E402

__all__ = ["SecretTensor", "calibrated", "flush", "share", "wrap"]
