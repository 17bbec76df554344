"""Signal: receivers by sender, as in Celery and Django."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, overload
from weakref import WeakMethod, ref

from ...logs import get_logger
from ..base.differences import Unsupported

log = get_logger(__name__)

Receiver = TypeVar("Receiver", bound=Callable[..., Any])


class Signal:
    """Named moment. `reason`: why no moment corresponds to it here; connecting then raises Unsupported with the cure."""

    def __init__(self, name: str, *, reason: str = "", cure: str = "", is_strict: bool = False) -> None:
        self.name, self.reason, self.cure = name, reason, cure
        self._is_strict = is_strict
        self._receivers: dict[Any, tuple[Callable[[], Any], Any]] = {}

    @overload
    def connect(
        self, receiver: Receiver, sender: Any = None, weak: bool = True, dispatch_uid: Any = None, retry: bool = False
    ) -> Receiver: ...
    @overload
    def connect(
        self, *, sender: Any = None, weak: bool = True, dispatch_uid: Any = None, retry: bool = False
    ) -> Callable[[Receiver], Receiver]: ...

    def connect(self, receiver: Any = None, sender: Any = None, weak: bool = True, dispatch_uid: Any = None, retry: bool = False) -> Any:
        """Connect a receiver, directly or as a decorator; `retry` is accepted and has no effect."""
        if self.reason:
            raise Unsupported(f"The signal {self.name} is never sent: {self.reason}. Instead: {self.cure}.")

        def add(function: Any) -> Any:
            hold: Callable[[], Any] = partial(_itself, function)
            if weak:
                hold = WeakMethod(function) if hasattr(function, "__self__") else ref(function)
            self._receivers.setdefault((dispatch_uid or _identity(function), _sender_key(sender)), (hold, sender))
            return function

        return add if receiver is None else add(receiver)

    def disconnect(self, receiver: Any = None, sender: Any = None, weak: bool = True, dispatch_uid: Any = None) -> bool:
        """Remove a receiver; returns whether it was connected."""
        return self._receivers.pop((dispatch_uid or _identity(receiver), _sender_key(sender)), None) is not None

    def has_listeners(self, sender: Any = None) -> bool:
        """True if a receiver would be called for this sender."""
        return bool(self._live(sender))

    def send(self, sender: Any, **named: Any) -> list[tuple[Any, Any]]:
        """Call the receivers and return their answers; an exception is logged and is the answer, unless the signal is strict."""
        answers = []
        for receiver in self._live(sender):
            try:
                answer = receiver(signal=self, sender=sender, **named)
            except Exception as error:
                if self._is_strict:
                    raise
                log.exception("signal_receiver_failed", signal=self.name, receiver=getattr(receiver, "__qualname__", repr(receiver)))
                answer = error
            answers.append((receiver, answer))
        return answers

    send_robust = send

    def _live(self, sender: Any) -> list[Any]:
        wanted = _sender_key(sender)
        found = [hold() for hold, given in list(self._receivers.values()) if given is None or _sender_key(given) == wanted]
        return [receiver for receiver in found if receiver is not None]

    def __repr__(self) -> str:
        return f"<Signal: {self.name}>"


def _itself(receiver: Any) -> Any:
    return receiver


def _identity(receiver: Any) -> Any:
    owner = getattr(receiver, "__self__", None)
    return id(receiver) if owner is None else (id(owner), id(receiver.__func__))


def _is_task(value: Any) -> bool:
    return hasattr(value, "apply_async")


def _sender_key(sender: Any) -> Any:
    """Return the key of a sender: a task and its name are the same."""
    if sender is None or isinstance(sender, str):
        return sender
    return sender.name if _is_task(sender) else id(sender)
