"""What becomes of a batch of deliveries: claimed, held, or done with; one transaction for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dramatiq import Message
from sqlalchemy.orm import Session

from src.broker.deliveries import Arrival, Glance, decode, glance
from src.database import write
from src.jobs import claims, due, gates, held
from src.jobs.claims import Claimed, Unclaimable
from src.logs import get_logger
from src.settings import get_settings

if TYPE_CHECKING:
    from src.broker.crew import Crew

log = get_logger(__name__)


@dataclass(slots=True)
class Taken:
    """The result of one batch: claimed jobs with their deliveries, and deliveries that need nothing but an ack."""

    claimed: list[tuple[Claimed, Arrival]] = field(default_factory=list)
    done_with: list[Arrival] = field(default_factory=list)


class Intake:
    """Reads, claims and sorts the deliveries of one queue."""

    def __init__(self, crew: Crew, queue: str) -> None:
        self._crew = crew
        self._queue = queue

    def take(self, arrivals: Sequence[Arrival]) -> Taken:
        """Claim what may run, keep what cannot, and drop copies, all in one transaction."""
        taken = Taken()
        unreadable: list[held.Unreadable] = []
        messages: dict[str, Message[Any]] = {}
        by_id: dict[str, list[Arrival]] = {}
        wanted: list[tuple[str, int]] = []
        for arrival in arrivals:
            seen = glance(arrival.body) or self._decode(arrival, messages, unreadable)
            if seen is None:
                taken.done_with.append(arrival)
                continue
            by_id.setdefault(seen.id, []).append(arrival)
            if seen.actor in self._crew.actors:
                wanted.append((seen.id, seen.attempt))
        with write() as session:
            claimed = claims.claim(session, self._crew.worker_id, wanted) if wanted else []
            claimed = self._without_unknown(session, claimed)
            rest = by_id.keys() - {one.id for one in claimed}
            if claimed:
                claimed = gates.admit(session, claimed, self._crew.limits.policies, take_suspect=self._crew.load.take_suspect)
            claims.free_keys(session, claimed)
            if rest:
                for id in rest - messages.keys():
                    self._decode(by_id[id][0], messages, unreadable)
                self._sort_out(session, {id: messages[id] for id in rest & messages.keys()})
            if unreadable:
                held.hold_unreadable(session, unreadable)
        for one in claimed:
            arrival, *copies = by_id.pop(one.id)
            taken.claimed.append((one, arrival))
            taken.done_with.extend(copies)
            self._note_frontier(one)
        for copies in by_id.values():
            taken.done_with.extend(copies)
        return taken

    def _decode(self, arrival: Arrival, messages: dict[str, Message[Any]], unreadable: list[held.Unreadable]) -> Glance | None:
        """Note the message of a body, or that it is none."""
        message, problem = decode(arrival.body)
        if message is None:
            unreadable.append(held.Unreadable(self._queue, arrival.body, problem, arrival.redelivered))
            return None
        messages[message.message_id] = message
        return Glance(message.message_id, message.actor_name, _attempt(message))

    def _without_unknown(self, session: Session, claimed: list[Claimed]) -> list[Claimed]:
        """A body may name another actor than its row: what counts is the row, and this worker may not have that actor."""
        unknown = [one for one in claimed if one.actor not in self._crew.actors]
        if unknown:
            claims.give_back(session, self._crew.worker_id, [(one.seq, one.attempt) for one in unknown])
        return [one for one in claimed if one.actor in self._crew.actors]

    def _sort_out(self, session: Session, rest: dict[str, Message[Any]]) -> None:
        reasons = claims.explain(session, rest.keys(), self._crew.actors)
        of = {kind: [id for id, reason in reasons.items() if reason is kind] for kind in Unclaimable}
        if of[Unclaimable.UNKNOWN_JOB]:
            foreign = [(self._queue, rest[id]) for id in of[Unclaimable.UNKNOWN_JOB]]
            held.hold_foreign(session, foreign, run=get_settings().foreign_messages == "run")
            log.warning("foreign_messages", queue=self._queue, messages=len(foreign))
        if of[Unclaimable.UNKNOWN_ACTOR]:
            held.hold_unknown_actors(session, of[Unclaimable.UNKNOWN_ACTOR], self._crew.name)
        if of[Unclaimable.EXPIRED]:
            due.expire(session)

    def _note_frontier(self, one: Claimed) -> None:
        frontier = self._crew.load.frontier
        if one.published_us is not None and one.published_us > frontier.get(self._queue, 0):
            frontier[self._queue] = one.published_us


def _attempt(message: Message[Any]) -> int:
    """The attempt a message is for; one that a stock producer sent is for the first."""
    attempt = message.options.get("attempt", 1)
    return attempt if isinstance(attempt, int) and 0 < attempt < 2**31 else 1
