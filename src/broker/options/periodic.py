"""Periodic actors: the option `periodic`, and periodiq's own command as an additional clock beside our schedulers."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from dramatiq import Actor, Message, Middleware
from dramatiq.broker import Broker

from ... import ACTOR_MODULES
from ...actor_schema.signature import Signature
from ...jobs.core.errors import JobsError, UnknownActor
from ...jobs.submit.submission import new_id
from ...schedules import Declaration, cron, every
from ...schedules.edit.declared_schedules import register
from ...schedules.rows import makers
from ...schedules.ticks import ticks
from ...sql.database import write
from .errors import InvalidOption

#: the message option with which periodiq's command sends a due actor
SCHEDULED_AT = "scheduled_at"
#: owners whose declarations this process has in full: a schedule of theirs that is not among them has been removed
complete_owners: set[str] = set()


class Periodic(Middleware):
    """Declare `periodic`: a declaration of src.schedules, periodiq's `cron(…)`, a cron expression, or a timedelta."""

    @property
    def actor_options(self) -> set[str]:
        return {"periodic"}

    def before_declare_actor(self, broker: Broker, actor: Actor[Any, Any]) -> None:
        if actor.options.get("periodic") is None:
            actor.options.pop("periodic", None)  # periodiq's command uses every actor that has the option
            return
        try:
            declaration = _declaration(actor.options["periodic"])
            declaration.of(actor.actor_name).check()
        except JobsError as error:
            raise InvalidOption(actor.actor_name, f"periodic: {error}") from None
        actor.options["periodic"] = declaration


def declarations(broker: Broker) -> dict[str, Declaration]:
    """Return the declarations of this process's periodic actors, by name."""
    return {name: actor.options["periodic"] for name, actor in broker.actors.items() if "periodic" in actor.options}


def maker(broker: Broker) -> makers.Maker:
    """Return a maker of messages for this process's actors, with checked arguments."""

    def make(actor: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]) -> Message[Any]:
        found = broker.actors.get(actor)
        if found is None:
            raise UnknownActor(f"No actor named {actor!r}. Add its module to {ACTOR_MODULES}.", field="actor")
        checked, named = Signature.of(found).check(args, kwargs)
        return Message(
            queue_name=found.queue_name, actor_name=actor, args=tuple(checked), kwargs=named, options=dict(options), message_id=new_id()
        )

    return make


def is_tick(broker: Broker, message: Message[Any]) -> bool:
    """True for a message of periodiq's command, which reports that a periodic actor is due."""
    actor = broker.actors.get(message.actor_name)
    return SCHEDULED_AT in message.options and actor is not None and "periodic" in actor.options


def report(broker: Broker, message: Message[Any]) -> Message[Any]:
    """Fire the tick that periodiq's clock has reported, unless a scheduler has; the schedule's row decides.

    If no scheduler has ever run, this inserts the schedule's row too.
    """
    declaration = declarations(broker)[message.actor_name]
    seen = datetime.fromisoformat(str(message.options[SCHEDULED_AT])).astimezone(UTC).replace(microsecond=0)
    tick = seen.replace(second=0) if declaration.draft.cron is not None else seen
    with write() as session:
        schedule = register(session, message.actor_name, declaration, since=tick - timedelta(microseconds=1))
        ticks.fire(session, schedule.id, maker(broker), reported=seen)
    return message


def _declaration(value: Any) -> Declaration:
    if isinstance(value, Declaration):
        return value
    if isinstance(value, str) or type(value).__module__ == "periodiq":
        return cron(str(value))
    if isinstance(value, timedelta):
        return every(value)
    raise JobsError(f"it must be cron(…), every(…), a cron expression or a timedelta, not {value!r:.60}", field="periodic")


def patch_periodiq() -> None:
    """Make periodiq's `cron()` return our declarations: its own rejects `fri-sun` and accepts `70 * * * *`.

    Most processes never import periodiq, which takes a tenth of a second: it is patched when a process imports it.
    """
    if "periodiq" in sys.modules:
        _patch(sys.modules["periodiq"])
    elif not any(isinstance(finder, _PeriodiqFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _PeriodiqFinder())


def _patch(module: ModuleType) -> None:
    module.CronSpec.parse = staticmethod(cron)


class _PeriodiqFinder(MetaPathFinder):
    """Import hook that finds periodiq as usual, once, and patches it after its import."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname != "periodiq":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Mending(spec.loader)
        return spec


class _Mending(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _patch(module)
