"""Beat's entries: each becomes a periodic actor with the entry's name, which runs the task."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import dramatiq

from ...broker.options import periodic
from ...jobs.core.values import dumps
from ...keywords import named, positional
from ...logs import get_logger
from ..base.differences import refused, unknown, unsupported, warn_unknown
from ..canvas import Signature
from ..conf.conf import Conf
from ..core import messages, registry, routes
from ..exceptions import ImproperlyConfigured, NotRegistered
from ..schedules import maybe_schedule
from ..task import declaration

log = get_logger(__name__)

#: `enabled` is a key of django-celery-beat
ENTRY_KEYS = frozenset({"task", "schedule", "args", "kwargs", "options", "relative", "enabled"})
ENTRY_OPTIONS = frozenset({"queue", "priority", "expires", "time_limit", "soft_time_limit"})
#: options of apply_async() that change nothing about a schedule
_IDLE_OPTIONS = frozenset({"retry", "retry_policy", "ignore_result", "add_to_parent"})
#: actors of entries, by entry name
_actors: dict[str, dramatiq.Actor[Any, Any]] = {}


def entry(schedule: Any, signature: Any, args: Any, kwargs: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry that add_periodic_task() describes."""
    sig = Signature.from_dict(signature) if isinstance(signature, dict) else Signature(signature)
    return {
        "task": sig.task,
        "schedule": schedule,
        "args": (*positional(args), *sig.args),
        "kwargs": {**sig.kwargs, **named(kwargs)},
        "options": {**sig.options, **options},
    }


def name_of(entry: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """Return the name of an entry without one: its call, as Celery names it, with a hash if another call of `others` has that name.

    Log a warning if it replaces an entry of the same call.
    """
    call = _call(entry)
    name = re.sub(r"[^\w.,=()' -]", "_", call)[:150]
    if name in others and _call(others[name]) != call:
        name = f"{name[:141]} {hashlib.sha256(call.encode()).hexdigest()[:8]}"
    if others.get(name, entry) != entry:
        log.warning("periodic_task_replaced", schedule=name, cure="pass name= to add_periodic_task()")
    return name


def _call(entry: Mapping[str, Any]) -> str:
    return repr(Signature(entry.get("task"), entry.get("args"), entry.get("kwargs")))


@dataclass(frozen=True, slots=True)
class Place:
    """Name of an application and the module that creates it: two services may give theirs the same name."""

    main: str | None
    module: str

    @property
    def earlier_owner(self) -> str:
        """Owner of rows that were written before modules and queues distinguished applications."""
        return f"celery:{self.main or 'default'}"

    @property
    def prefix(self) -> str:
        return f"{self.earlier_owner}:{self.module}:"


def declare(conf: Conf, place: Place) -> None:
    """Declare the actors of all entries of an application, and no others. Raises ImproperlyConfigured naming the entry.

    The schedules of entries that are removed end: the rows carry the application's name, module and default queue.
    """
    owner = f"{place.prefix}{conf['task_default_queue']}"
    declared = set()
    for name, given in (conf["beat_schedule"] or {}).items():
        try:
            _check_form(name, given)
            if given.get("enabled", True):
                declared.add(_declare(conf, owner, name, given))
        except (NotRegistered, TypeError, ValueError, NotImplementedError) as error:
            raise ImproperlyConfigured(f"beat_schedule[{name!r}]: {error}") from error
    for name, actor in list(_actors.items()):
        if actor.options["periodic"].owner.startswith(place.prefix) and name not in declared:
            del _actors[name]
            dramatiq.get_broker().actors.pop(name, None)
    periodic.complete_owners.update((owner, place.earlier_owner))


def declared_names() -> list[str]:
    """Return the names of the actors of all entries."""
    return sorted(_actors)


def is_kept(option: str, value: Any) -> bool | None:
    """True if a schedule keeps the option of an entry; None if Celery does not know it. Raises for one that would change the call."""
    if option in ENTRY_OPTIONS:
        return True
    if value is None or option in _IDLE_OPTIONS or (option, value) == ("serializer", "json"):
        return False
    if f"{option}=)" in refused("apply_async("):
        raise unsupported(f"apply_async({option}=)")
    if option in messages.OPTIONS:
        raise unknown("an option of an entry", option, ENTRY_OPTIONS)
    return None


def _check_form(name: Any, given: Any) -> None:
    if not isinstance(name, str) or not name:
        raise TypeError("the name of an entry must be a text that is not empty")
    if not isinstance(given, Mapping) or not {"task", "schedule"} <= given.keys():
        raise TypeError(f"an entry is a dictionary with task and schedule, not {given!r:.80}")


def _declare(conf: Conf, owner: str, name: str, given: Mapping[str, Any]) -> str:
    for key in given.keys() - ENTRY_KEYS:
        warn_unknown(f"a key of beat_schedule[{name!r}]", key, ENTRY_KEYS, "the schedule does without it")
    options = {}
    for option, value in (given.get("options") or {}).items():
        kept = is_kept(option, value)
        if kept:
            options[option] = value
        elif kept is None:
            warn_unknown(f"an option of beat_schedule[{name!r}]", option, ENTRY_OPTIONS, "the schedule does without it")
    task: Any = registry.task(given["task"])
    args, kwargs = messages.encoded(task, list(positional(given.get("args"))), named(given.get("kwargs")))
    dumps([args, kwargs])  # a scheduler could not store them
    rule = replace(maybe_schedule(given["schedule"]).declaration(zone=conf.zone_name, args=args, kwargs=kwargs), owner=owner)
    queue, chosen = _with(task, options)
    actor_name = f"{name} (beat)" if name in registry.tasks else name
    known = _actors.get(actor_name)
    if known is None:
        declared = dramatiq.actor(actor_name=actor_name, queue_name=queue, broker=dramatiq.get_broker(), periodic=rule, **chosen)
        _actors[actor_name] = declared(declaration.function_of(task))
        return actor_name
    known.fn, known.queue_name = declaration.function_of(task), queue
    known.options.clear()
    known.options.update(periodic=rule, **chosen)
    dramatiq.get_broker().declare_actor(known)
    return actor_name


def _with(task: Any, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the queue and the actor options of a task with the options of its entry."""
    queue = routes.queue_name(options["queue"]) if options.get("queue") else declaration.queue_of(task)
    attributes = {name: value for name, value in options.items() if name != "queue" and value is not None}
    changed = type(task.__class__.__name__, (task.__class__,), attributes)()
    changed.__dict__.update(task.__dict__)
    return queue, declaration.actor_options(changed)
