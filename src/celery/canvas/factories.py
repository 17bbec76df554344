"""Signatures from other things: a name, a dictionary, a task."""

from __future__ import annotations

from typing import Any

from .signatures import Signature


def signature(varies: Any, args: Any = None, kwargs: Any = None, options: Any = None, app: Any = None, **more: Any) -> Signature:
    """Return a signature for a task or its name; one described by a dictionary gets its own type."""
    if isinstance(varies, dict):
        return Signature.from_dict(varies).clone() if isinstance(varies, Signature) else Signature.from_dict(varies)
    return Signature(varies, args, kwargs, options, **more)


subtask = signature


def maybe_signature(given: Any, app: Any = None, clone: bool = False) -> Any:
    """Return the signature that a dictionary describes; None stays."""
    if given is None:
        return None
    found = Signature.from_dict(given)
    return found.clone() if clone else found
