"""Maker: the interface by which schedules build messages of actors that they do not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from dramatiq import Message


class Maker(Protocol):
    """Make the message of a call; raises UnknownActor, or InvalidArguments if the arguments do not fit."""

    def __call__(self, actor: str, args: Sequence[Any], kwargs: dict[str, Any], options: dict[str, Any]) -> Message[Any]: ...
