"""`tercet.nn`: activations of secret arrays under the names that `torch.nn.functional` has for them."""

from tercet.array.nn import elu, gelu, hardtanh, leaky_relu, log_softmax, one_hot, relu, silu, softmax

__all__ = ["elu", "gelu", "hardtanh", "leaky_relu", "log_softmax", "one_hot", "relu", "silu", "softmax"]
