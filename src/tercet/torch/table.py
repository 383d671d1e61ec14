"""The lowering table: what each of torch's operations below autograd does with secret arrays, by its ATen name.

An operation in place has the rule of its name without the underscore. Rules take and give arrays, secret or NumPy's.
"""

from __future__ import annotations

from collections.abc import Mapping

from tercet.torch import table_arithmetic, table_attention, table_functions, table_layers, table_moves
from tercet.torch.cells import Rule

RULES: Mapping[str, Rule] = {
    **table_moves.RULES,
    **table_arithmetic.RULES,
    **table_functions.RULES,
    **table_layers.RULES,
    **table_attention.RULES,
}
