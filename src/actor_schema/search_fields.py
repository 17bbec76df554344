"""Search fields of arguments: their names, and which of them are secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dramatiq

from .signature import Signature


def arguments(actor: str | None, args: Any, kwargs: Any) -> dict[str, Any] | None:
    """Return the arguments by name without the secret ones; None: the actor is not loaded here."""
    known = dramatiq.get_broker().actors.get(actor or "")
    if known is None or not isinstance(args, Sequence) or not isinstance(kwargs, Mapping):
        return None
    signature = Signature.of(known)
    names = signature.positional_names(len(args))
    named = {**dict(zip([*names, *(str(number) for number in range(len(names), len(args)))], args, strict=True)), **kwargs}
    return {name: value for name, value in named.items() if name not in signature.secrets}
