"""Building workflows: steps and what they wait for, or the ready-made shapes chain, group, chord, map, chunks and link.

    workflow = Workflow("nightly")
    a = workflow.step(add.message(1, 2))
    b = workflow.step(mul.message(result_of(a), 3))
    workflow.step(report.message(), after=[a, b])
    workflow.submit(session)

Nothing here touches SQL until `submit`; a step's arguments name results as plain JSON (see src/jobs/core/placeholders.py).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeAlias

import dramatiq
from dramatiq import Message

from ...keywords import named_as
from ..core import placeholders
from ..core.errors import JobsError
from ..core.placeholders import OUTCOME, RESULT
from ..core.session_handover import AnySession, handed_over
from ..core.states import Source
from ..core.workflow_models import OnDead, When
from ..options import message_options
from ..submit.defaults import sealed
from ..submit.requests import Submission, submission_of
from ..submit.submission import new_id
from .submission import PlannedStep, WorkflowReceipt, submit_plan

#: names of other systems for the callbacks of a part
_ELSEWHERE = {
    **dict.fromkeys(("callback", "on_complete", "then"), "on_success"),
    **dict.fromkeys(("errback", "link_error", "on_dead", "on_failure"), "on_error"),
    **dict.fromkeys(("finally_", "on_end"), "always"),
    "link": "on_success",
}
#: actor that calls another one for each element of a chunk
CALL_EACH = "call_each"


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a workflow under construction."""

    name: str
    message: Message[Any]


#: the end of a part: one step, or several whose results form a list
End: TypeAlias = "Step | Sequence[End]"


@dataclass(frozen=True, slots=True)
class Chain:
    """Parts that run one after the other."""

    parts: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that run side by side."""

    parts: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Linked:
    """A part with follow-ups on success, on error and always; each runs once."""

    part: Any
    success: tuple[Any, ...] = ()
    error: tuple[Any, ...] = ()
    always: tuple[Any, ...] = ()


#: parts that a workflow accepts
Part: TypeAlias = Message[Any] | Submission | Chain | Group | Linked | dramatiq.pipeline | dramatiq.group | partial[Message[Any]]
Parts: TypeAlias = Part | Iterable[Part]


def result_of(steps: End | str) -> Any:
    """Return a placeholder for the result of a step, or for the list of results of several, to use in a later step's arguments."""
    return {RESULT: _names(steps)}


def outcome_of(steps: End | str) -> Any:
    """Return a placeholder for a step's outcome: an object with step, id, actor, state, result, error and reason."""
    return {OUTCOME: _names(steps)}


@named_as({}, cure="Its parts have no names: wrap it, link(chain(…), {name}=…).")
def chain(*parts: Part) -> Chain:
    """Run parts one after the other; each gets the result of the previous one as its last positional argument.

    `partial(actor.message, y=3)` is completed by the result: that is its first missing argument. A message with the option `pipe_ignore=True` does not get it, as in Dramatiq's pipelines.
    """
    return Chain(parts)


@named_as(_ELSEWHERE)
def group(*parts: Parts, on_success: Parts = (), on_error: Parts = (), always: Parts = ()) -> Group | Linked:
    """Run parts side by side. Its callbacks run once each, when all members have ended.

    `on_success` gets the list of results, `on_error` and `always` get the list of outcomes, as last positional argument.
    """
    members = Group(tuple(_parts(parts)))
    return link(members, on_success=on_success, on_error=on_error, always=always) if on_success or on_error or always else members


def chord(parts: Iterable[Part], callback: Part) -> Chain:
    """Run parts side by side, then `callback` with the list of their results as its last positional argument."""
    return Chain((group(*parts), callback))


def map(actor: dramatiq.Actor[..., Any], arguments: Iterable[Any]) -> Group | Linked:
    """Return one job of the actor for each element; a tuple is spread over the parameters, anything else is the only argument."""
    return group(*(actor.message(*each) if isinstance(each, tuple) else actor.message(each) for each in arguments))


def chunks(actor: dramatiq.Actor[..., Any], arguments: Iterable[Any], size: int, **options: Any) -> Group:
    """Return one job for each `size` elements, which calls the actor's function for them in turn and returns the list of results.

    Elements are those of map(). `options`: message options of these jobs; those of the actor do not hold.
    """
    if size < 1:
        raise JobsError(f"chunks of {size} elements are empty: give a number from 1", field="size")
    calls = [list(each) if isinstance(each, tuple) else [each] for each in arguments]
    for call in calls:
        if sealed(message := actor.message(*call)) != message:
            raise JobsError(f"{actor.actor_name} has a secret parameter, which only a job of its own hides: use canvas.map", field="actor")
    parts = (calls[begin : begin + size] for begin in range(0, len(calls), size))
    return Group(tuple(Message(actor.queue_name, CALL_EACH, (actor.actor_name, part), {}, dict(options), new_id()) for part in parts))


@named_as(_ELSEWHERE)
def link(part: Part, *, on_success: Parts = (), on_error: Parts = (), always: Parts = ()) -> Linked:
    """Run other parts when this one has ended. `on_success` gets its result, the others its outcome, as last positional argument."""
    return Linked(part, tuple(_parts(on_success)), tuple(_parts(on_error)), tuple(_parts(always)))


class Workflow:
    """Steps that are submitted together. A step refers only to steps created before it, so there are no cycles.

    `on_dead`: "wait" leaves the steps behind a dead one waiting, and they give the reason; "cancel" cancels them.
    """

    def __init__(self, name: str = "workflow", *parts: Part, on_dead: OnDead | str = OnDead.WAIT) -> None:
        self.name = name
        self.on_dead = _word(OnDead, on_dead, "on_dead")
        self.steps: list[PlannedStep] = []
        self._names: set[str] = set()
        self._taken: set[str] = set()  # names of steps elsewhere
        self._has_parts = False
        self._numbers: Counter[str] = Counter()  # actor -> steps whose names needed a number
        for part in parts:
            self.add(part)

    def step(
        self,
        message: Message[Any] | Submission,
        *,
        name: str | None = None,
        after: End | str | Iterable[End | str] = (),
        when: When | str = When.SUCCESS,
        delay: timedelta | None = None,
        **how: Any,
    ) -> Step:
        """Add one job. It waits for the steps in `after` and for those its arguments refer to.

        `when`: "success" (all of them succeeded), "error" (all ended, at least one without success) or "always" (all
        ended). `delay`: from that instant on. `how`: fields of Submission.
        """
        if isinstance(message, Submission):
            given = message
        else:
            message_options.check(message.options)
            if not {"link", "link_error"}.isdisjoint(message.options):
                raise JobsError("a step's links are steps of their own: use canvas.link, or after= and when=", field="link")
            if delay is None and message.options.get("delay") is not None:
                delay = timedelta(milliseconds=message.options["delay"])
            message = dataclasses.replace(message, options={name: value for name, value in message.options.items() if name != "delay"})
            given = submission_of(message)
        given = dataclasses.replace(given, **{"source": Source.WORKFLOW, **how})
        arguments = [given.message.args, given.message.kwargs]
        try:
            named = list(placeholders.names(arguments))
        except ValueError as error:
            raise JobsError(str(error), field="args") from None
        waits = dict.fromkeys([*_flat(after), *named])
        for each in waits:
            if each not in self._names:
                raise JobsError(f"there is no step {each!r} before this one: steps refer to earlier steps of their workflow", field="after")
        own = self._new_name(name, given.message.actor_name)
        given = dataclasses.replace(given, takes_results=bool(named))
        self.steps.append(PlannedStep(own, given, tuple(waits), _word(When, when, "when"), delay))
        return Step(own, given.message)

    def avoid(self, names: Iterable[str]) -> None:
        """Use none of these names for further steps, unless one is given as `name=`."""
        self._taken.update(names)

    def add(self, part: Part, *, after: End | str | Iterable[End | str] = ()) -> End:
        """Add a message or a shape (chain, group, chord, map, link, Dramatiq's pipeline or group); return its end."""
        self._has_parts = True
        return self._lay(part, None, _flat(after))

    def submit(self, session: AnySession, *, submitted_by: str | None = None, idempotency_key: str | None = None) -> WorkflowReceipt:
        """Insert the workflow in the caller's transaction; it starts when that commits. The same key again returns the same workflow."""
        with handed_over(session) as own:
            return submit_plan(
                own, self.name, self.steps, on_dead=self.on_dead, submitted_by=submitted_by, idempotency_key=idempotency_key,
                may_be_empty=self._has_parts,
            )  # fmt: skip

    def _lay(self, part: Part, given: Any, after: Sequence[str], when: When = When.SUCCESS) -> End:
        """Add a part behind the steps `after`; its messages get `given`, unless it is None or they opt out."""
        if isinstance(part, partial):
            part, given = part() if given is None else part(given), None
        if isinstance(part, dramatiq.pipeline):
            part = Chain(tuple(_without_target(message) for message in part.messages))
        if isinstance(part, dramatiq.group):
            if part.completion_callbacks:
                completed = [Message(**each).copy(options={"pipe_ignore": True}) for each in part.completion_callbacks]
                part = link(group(*part.children), on_success=completed)
            else:
                part = Group(tuple(part.children))
        if isinstance(part, Chain):
            return self._lay_chain(part, given, after, when)
        if isinstance(part, Group):
            return [self._lay(member, given, after, when) for member in part.parts]
        if isinstance(part, Linked):
            end = self._lay(part.part, given, after, when)
            if not (behind := list(_flat(end))):
                # No members to wait for: callbacks get the empty list, and none has failed.
                for callback in (*part.success, *part.always):
                    self._lay(callback, _names(end), after, when)
                return end
            for callbacks, handed, on in (
                (part.success, result_of(end), When.SUCCESS),
                (part.error, outcome_of(end), When.ERROR),
                (part.always, outcome_of(end), When.ALWAYS),
            ):
                for callback in callbacks:
                    self._lay(callback, handed, behind, on)
            return end
        message = part.message if isinstance(part, Submission) else part
        if given is not None and not message.options.get("pipe_ignore"):
            message = dataclasses.replace(message, args=(*message.args, given))
        return self.step(dataclasses.replace(part, message=message) if isinstance(part, Submission) else message, after=after, when=when)

    def _lay_chain(self, chain: Chain, given: Any, after: Sequence[str], when: When) -> End:
        if not chain.parts:
            raise JobsError("a chain needs at least one part", field="steps")
        end: End = []
        for part in chain.parts:
            end = self._lay(part, given, after, when)
            if behind := list(_flat(end)):
                given, after, when = result_of(end), behind, When.SUCCESS
            else:
                given = _names(end)  # an empty group has no members to wait for: its follow-ups wait for the steps before it
        return end

    def _new_name(self, wanted: str | None, actor: str) -> str:
        if wanted is not None and wanted in self._names:
            raise JobsError(f"there is a step {wanted!r} already: give each its own name", field="name")
        name = wanted or actor
        while name in self._names or (wanted is None and name in self._taken):
            self._numbers[actor] += 1
            name = f"{actor}-{self._numbers[actor] + 1}"
        self._names.add(name)
        return name


def _names(steps: End | str) -> Any:
    if isinstance(steps, str):
        return steps
    return steps.name if isinstance(steps, Step) else [_names(each) for each in steps]


def _flat(steps: End | str | Iterable[Any]) -> list[str]:
    if isinstance(steps, str):
        return [steps]
    return [steps.name] if isinstance(steps, Step) else [name for each in steps for name in _flat(each)]


def _parts(parts: Any) -> Iterable[Part]:
    if isinstance(parts, list | tuple) or (isinstance(parts, Iterable) and not isinstance(parts, dramatiq.pipeline | dramatiq.group)):
        for each in parts:
            yield from _parts(each)
    else:
        yield parts


def _without_target(message: Message[Any]) -> Message[Any]:
    return dataclasses.replace(message, options={name: value for name, value in message.options.items() if name != "pipe_target"})


def _word(kind: Any, value: Any, field: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise JobsError(f"{field} must be one of {', '.join(kind)}, not {value!r}", field=field) from None
