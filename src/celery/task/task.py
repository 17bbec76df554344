"""Task: a function with its options; sends calls, and steers its own attempt with `self`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import GenericAlias
from typing import Any, ClassVar

from ...actor_schema.signature import Signature as ActorSignature
from ...keywords import named, positional
from ..base.differences import refused, unsupported
from ..canvas import Signature, chunks, replacing, xmap, xstarmap
from ..conf.conf import Conf
from ..core import registry, request
from ..core.request import Context
from ..exceptions import MaxRetriesExceededError, OperationalError, Replaced
from ..result import AsyncResult, EagerResult
from . import eager, progress, retrying

_REFUSED = refused("Task.")


class Task:
    """Base of tasks. A decorated function becomes an instance of a subclass; `run` is the function."""

    name: str = ""
    abstract = True
    max_retries: int | None = 3
    default_retry_delay: float | None = 180  # None: at once
    autoretry_for: Any = ()
    dont_autoretry_for: Any = ()
    retry_kwargs: Any = None
    retry_backoff: Any = False
    retry_backoff_max: int = 600
    retry_jitter: bool = True
    throws: Any = ()
    rate_limit: Any = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    queue: Any = None
    priority: int | None = None
    expires: Any = None
    serializer: str | None = None
    ignore_result: bool | None = None
    track_started: bool | None = None
    acks_late = False
    typing = True
    actor: Any = None
    signature_of_actor: ActorSignature | None = None

    MaxRetriesExceededError: ClassVar[type[Exception]] = MaxRetriesExceededError
    OperationalError: ClassVar[type[Exception]] = OperationalError

    _app: Any = None
    has_own_base = True

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work; subclasses override it."""
        raise NotImplementedError("Tasks must define the run method.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function in this process; within an attempt whose class overrides the call, do the attempt's work."""
        running = request.current(self.name)
        if running is not None and not running.called_directly and not running.is_entered:
            running.is_entered = True
            return self.run(*args, **kwargs)
        with request.entered(Context(task=self.name, args=args, kwargs=kwargs)):
            return self.run(*args, **kwargs)

    @property
    def app(self) -> Any:
        """The application that declared it, or the current one."""
        return self._app or registry.app()

    @property
    def conf(self) -> Conf:
        conf: Conf = self.app.conf
        return conf

    @property
    def is_tracked(self) -> bool:
        """True if a running job is STARTED instead of PENDING."""
        return bool(self.conf["task_track_started"] if self.track_started is None else self.track_started)

    @property
    def request(self) -> Context:
        """The request of the running attempt; outside of one, that of a direct call."""
        return request.current(self.name) or Context(task=self.name)

    @property
    def actor_signature(self) -> ActorSignature:
        if self.signature_of_actor is None:
            self.signature_of_actor = ActorSignature(self.run, self.name)
        return self.signature_of_actor

    def defaults(self) -> dict[str, Any]:
        """Return the options of a call that the task declares, queue, priority, expiry and ignore_result. Raises ValueError for a soft time limit above the hard one."""
        if self.soft_time_limit and self.time_limit and self.soft_time_limit > self.time_limit:
            raise ValueError("soft_time_limit must be less than or equal to time_limit")
        is_ignored = self.conf["task_ignore_result"] if self.ignore_result is None else self.ignore_result
        given = {"queue": self.queue, "priority": self.priority, "expires": self.expires, "ignore_result": is_ignored or None}
        return {name: value for name, value in given.items() if value is not None}

    def check_arguments(self, args: Any, kwargs: Any) -> None:
        """Raise TypeError if the function cannot be called like this."""
        if not self.typing:
            return
        try:
            inspect.signature(self.run).bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}() {error}") from None

    # Sending.

    def delay(self, *args: Any, **kwargs: Any) -> Any:
        """Send a call with these arguments."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self, args: Any = None, kwargs: Any = None, task_id: str | None = None, producer: Any = None, link: Any = None, link_error: Any = None,
        shadow: Any = None, **options: Any,
    ) -> Any:  # fmt: skip
        """Send a call with options; returns its result. The reference lists the options."""
        args, kwargs = positional(args), named(kwargs)
        self.check_arguments(args, kwargs)
        given = {"task_id": task_id, "producer": producer, "link": link, "link_error": link_error, "shadow": shadow}
        options = {**{name: value for name, value in given.items() if value is not None}, **options}
        if self.app.overrides_send_task:
            return self.app.send_task(self.name, args, kwargs, **options)
        return Signature(self, args, kwargs, options).send()

    @property
    def overrides_sending(self) -> bool:
        """True if a subclass, of the task or its application, decides how a call is sent."""
        return type(self).apply_async is not Task.apply_async or self.app.overrides_send_task

    def apply(
        self, args: Any = None, kwargs: Any = None, task_id: str | None = None, throw: bool | None = None, **options: Any
    ) -> EagerResult:
        """Run it in this process with its retries, hooks and links."""
        return eager.apply(self, positional(args), named(kwargs), task_id=task_id, throw=throw, **options)

    def AsyncResult(self, task_id: str, **_: Any) -> AsyncResult:
        return AsyncResult(task_id, task_name=self.name, app=self.app)

    # Signatures.

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        return Signature(self, args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature:
        """Return an immutable signature: results of other tasks are not added to its arguments."""
        return Signature(self, args, kwargs, immutable=True)

    def signature(self, args: Any = None, kwargs: Any = None, options: Any = None, immutable: bool = False, **more: Any) -> Signature:
        return Signature(self, args, kwargs, options, immutable=immutable, **more)

    subtask = signature

    def map(self, it: Any) -> xmap:
        """Return a signature that calls it with each element, in one job."""
        return xmap(self, it)

    def starmap(self, it: Any) -> xstarmap:
        """Return a signature that calls it with the arguments of each element, in one job."""
        return xstarmap(self, it)

    def chunks(self, it: Any, n: int) -> chunks:
        """Return a signature that calls it with the arguments of each element, `n` elements per job."""
        return chunks(self, it, n)

    # From within an attempt.

    def push_request(self, **fields: Any) -> None:
        """Set the request of a direct call until pop_request(), as a test does."""
        request.push(Context(**{"task": self.name, **fields}))

    def pop_request(self) -> None:
        request.pop()

    def retry(
        self, args: Any = None, kwargs: Any = None, exc: BaseException | None = None, throw: bool = True, eta: Any = None,
        countdown: Any = None, max_retries: int | None = None, **options: Any,
    ) -> Exception:  # fmt: skip
        """Raise Retry, so that the job runs again; raise `exc` or MaxRetriesExceededError after the last retry.

        With `throw=False` return Retry; the function then goes on, and the job runs again when it returns.
        """
        return retrying.retry(self, args, kwargs, exc, throw, eta, countdown, max_retries, options)

    def update_state(self, task_id: str | None = None, state: str | None = None, meta: Any = None, **_: Any) -> None:
        """Set a state of the task's own with its meta; readers see them while it runs."""
        progress.update(self.request, task_id, state, meta)

    def replace(self, sig: Signature) -> Any:
        """End this task, and let a signature take its place: its id, its result, its callbacks and the tasks behind it."""
        sig = replacing.whole(sig)
        if self.request.stamps:
            sig.stamp(**self.request.stamps)
        sig.set(replaced_task_nesting=self.request.replaced_task_nesting + 1)
        return self.on_replace(sig)

    def on_replace(self, sig: Signature) -> Any:
        """Replace the task; run here if it runs eagerly or was called directly. Subclasses may change the signature."""
        if self.request.is_eager or self.request.called_directly:
            return sig.apply().get()
        raise Replaced(replacing.replace(self.request, sig))

    def add_to_chord(self, sig: Signature, lazy: bool = False) -> Any:
        """Add a signature to the header of the chord that this task is in; raises ValueError if it is in none."""
        if lazy:
            raise unsupported("add_to_chord(lazy=)")
        return replacing.join(self.request, sig)

    # Hooks.

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Run before the function."""

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Run after a success."""

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Run when the job is to be retried."""

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Run after a failure that is not retried."""

    def after_return(self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Run after every attempt."""

    @classmethod
    def on_bound(cls, app: Any) -> None:
        """Run when the task is bound to its application."""

    @property
    def __name__(self) -> str:
        return type(self).__name__  # type: ignore[return-value]

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        return getattr(self.run, "__func__", self.run)

    def __getattr__(self, name: str) -> Any:
        if name in _REFUSED:
            raise unsupported(f"Task.{name}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __reduce__(self) -> Any:
        return registry.task, (self.name,)

    __class_getitem__: Any = classmethod(GenericAlias)

    def __repr__(self) -> str:
        return f"<@task: {self.name}>"
