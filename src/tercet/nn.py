"""`tercet.nn`: activations of secret arrays under the names that `torch.nn.functional` has for them."""

from tercet.array.nn import gelu, relu, silu

__all__ = ["gelu", "relu", "silu"]
