"""What fitted models have in common: they can be kept at the parties under a name, and made anew from what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

from tercet.array.core import SecretArray
from tercet.errors import InputError

FORMAT = 1


class Keeper(Protocol):
    """A session, as models see it."""

    def keep(self, name: str, arrays: Mapping[str, SecretArray], model: Mapping[str, Any]) -> Mapping[str, SecretArray]:
        """Keep secret arrays under a name, with a public description; gives the arrays on what is kept."""


class SecretModel:
    """A model whose fitted attributes may be secret. Subclasses say which attributes there are."""

    parameters: ClassVar[tuple[str, ...]]
    """Attributes set before fitting: public, of JSON."""
    fitted: ClassVar[tuple[str, ...]]
    """Attributes set by fitting: secret arrays, or public numbers."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={getattr(self, key)!r}' for key in self.parameters)})"

    def save(self, session: Keeper, name: str) -> Self:
        """Keep the fitted model at the parties under a name, its arrays secret; `tercet.load` gives it back.

        Runs what has not run yet, in one plan; the model then stands on what is kept. Parameters and bounds are public.
        Raises InputError for a model that is not fitted, or fitted on plain data.
        """
        missing = [key for key in self.fitted if not hasattr(self, key)]
        if missing:
            raise InputError("this model is not fitted", hint="call fit(X, y) first")
        values = {key: getattr(self, key) for key in self.fitted}
        arrays = {key: value for key, value in values.items() if isinstance(value, SecretArray)}
        if not arrays:
            raise InputError("this model was fitted on plain data: there is nothing secret to keep")
        description = {
            "class": type(self).__name__,
            "format": FORMAT,
            "parameters": {key: getattr(self, key) for key in self.parameters},
            "public": {key: value for key, value in values.items() if key not in arrays},
        }
        for key, array in session.keep(name, arrays, description).items():
            setattr(self, key, array)
        return self
