"""Claimer: claims a batch of deliveries in one transaction, holds jobs that cannot run, drops duplicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dramatiq import Message
from sqlalchemy.orm import Session

from ...jobs.control import held
from ...jobs.core.claimed import Claimed
from ...jobs.leases import claims
from ...jobs.leases.claims import Unclaimable
from ...jobs.limits import admission
from ...jobs.limits.policies import Policy
from ...jobs.relay import due_jobs
from ...logs import get_logger
from ...settings import get_settings
from ...sql.database import get_database, write
from ...sql.direct import Direct
from ...sql.outages import is_outage
from ...telemetry import metering
from ..core.lease import Lease
from ..core.load import Load
from .celery_messages import CeleryMessage, celery_inbox
from .deliveries import Arrival, Glance, decode, glance

log = get_logger(__name__)


@dataclass(slots=True)
class Taken:
    """The result of one batch: claimed jobs with their deliveries, and deliveries that only need an ack.

    The `refused` ones belong to other workers: this worker's lease has expired.
    """

    claimed: list[tuple[Claimed, Arrival]] = field(default_factory=list)
    done_with: list[Arrival] = field(default_factory=list)
    refused: list[Arrival] = field(default_factory=list)


class _Rest(NamedTuple):
    """A batch of deliveries while it is claimed and sorted."""

    wanted: set[tuple[str, int]]
    by_id: dict[str, list[Arrival]]
    messages: dict[str, Message[Any]]
    unreadable: list[held.Unreadable]
    refused: set[str]  # ids
    ahead: list[Claimed]  # claimed by a statement of its own, before the rest is handled
    celery: list[CeleryMessage]


class Claimer:
    """Reads, claims and sorts the deliveries of one queue, for the actors of this process and by their limits (`policies`)."""

    def __init__(self, lease: Lease, load: Load, queue: str, *, actors: Mapping[str, Any], policies: dict[str, Policy]) -> None:
        self.actors = actors
        self._lease = lease
        self._load = load
        self._queue = queue
        self._policies = policies
        self._takes_celery = queue in get_settings().celery_queue_names
        self._is_watched = True  # an operator's override may be in force
        # Actors of other queues, even in this process, do not affect claims here.
        self._is_open = all(admission.is_open(policies.get(name)) for name, actor in actors.items() if actor.queue_name == queue)

    def take(self, arrivals: Sequence[Arrival]) -> Taken:
        """Claim jobs that may run, hold those that cannot, and drop duplicates, in one transaction.

        If it fails for another reason than an outage, each delivery is handled alone, and the faulty one is set aside.
        Otherwise the error would end the consumer, and RabbitMQ would dead-letter the whole batch.
        """
        try:
            return self._take(arrivals)
        except Exception as error:
            if is_outage(error):
                raise
            if len(arrivals) == 1:
                return self._set_aside(arrivals[0], error)
        taken = Taken()
        for arrival in arrivals:
            alone = self.take([arrival])
            taken.claimed += alone.claimed
            taken.done_with += alone.done_with
            taken.refused += alone.refused
        return taken

    def _set_aside(self, arrival: Arrival, error: Exception) -> Taken:
        """Hold a message that cannot be processed. A job's own row is unchanged: the reconciler republishes it at its intervals."""
        log.error("message_set_aside", queue=self._queue, exc_info=error)
        message, _ = decode(arrival.body)
        with write() as session:
            if message is None or not claims.is_known(session, message.message_id):
                problem = f"it could not be kept ({type(error).__name__})"
                id = getattr(arrival.properties, "correlation_id", None) if self._takes_celery else None
                held.hold_unreadable(session, [held.Unreadable(self._queue, arrival.body, problem, arrival.redelivered, id)])
        return Taken(done_with=[arrival])

    def _take(self, arrivals: Sequence[Arrival]) -> Taken:
        taken = Taken()
        rest = _Rest(set(), {}, {}, [], set(), [], [])
        for arrival in arrivals:
            seen = glance(arrival.body) or self._decode(arrival, rest)
            if seen is None:
                taken.done_with.append(arrival)
                continue
            rest.by_id.setdefault(seen.id, []).append(arrival)
            if seen.actor in self.actors:
                rest.wanted.add((seen.id, seen.attempt))
        try:
            claimed = self._claim(rest)
        except Exception as error:
            if rest.ahead and not is_outage(error):
                with write() as session:
                    claims.give_back(session, self._lease.worker_id, [(one.seq, one.attempt) for one in rest.ahead])
            raise
        for one in claimed:
            arrival, *copies = rest.by_id.pop(one.id)
            taken.claimed.append((one, arrival))
            taken.done_with.extend(copies)
        self._note_frontier(claimed)
        for id, copies in rest.by_id.items():
            (taken.refused if id in rest.refused else taken.done_with).extend(copies)
        meters = metering.active()
        if meters is not None:
            meters.claimed(self._queue, claimed=len(taken.claimed), dropped=len(taken.done_with))
        return taken

    def _claim(self, rest: _Rest) -> list[Claimed]:
        """Return the claimed jobs that start now; handle all other deliveries."""
        wanted = list(rest.wanted)
        if not self._may_claim_at_once():
            with write() as session:
                claimed = self._sift(session, self._claimed(session, wanted), rest)
        else:
            # Nothing known can keep a job from starting, so the claim is one statement that commits by itself. Repeated after a dead
            # connection, it may find its jobs claimed already: the lease thread returns jobs that this process does not hold. It does not
            # wait for the disk. If a SQLite host loses power, its last claims are lost with their attempts, and the jobs are queued
            # again; claims lost by a killed PostgreSQL are repeated by this process (claims.retake).
            claimed = get_database().direct.write(lambda direct: self._claimed(direct, wanted), flush=False) if wanted else []
            rest.ahead.extend(claimed)
            if self._needs_sifting(claimed, rest):
                with write() as session:
                    if admission.needs_admission(claimed, self._policies):
                        # An operator has just set an override: claim the jobs again in one transaction with the check for it.
                        claims.give_back(session, self._lease.worker_id, [(one.seq, one.attempt) for one in claimed])
                        claimed = self._claimed(session, wanted)
                    claimed = self._sift(session, claimed, rest)
        return claimed

    def _claimed(self, session: Session | Direct, wanted: list[tuple[str, int]]) -> list[Claimed]:
        claimed = claims.claim(session, self._lease.worker_id, wanted) if wanted else []
        # A killed PostgreSQL forgets claims of jobs that run here. Their messages, delivered again, repeat the claims and start nothing.
        claimed = [one for one in claimed if self._lease.held.get((one.seq, one.attempt)) != one.id]
        if claimed:
            self._is_watched = any(one.is_watched for one in claimed)
        return claimed

    def _may_claim_at_once(self) -> bool:
        # Otherwise claim and defer in one transaction.
        return not self._is_watched and self._is_open

    def _needs_sifting(self, claimed: list[Claimed], rest: _Rest) -> bool:
        return (
            len(claimed) < len(rest.by_id)
            or bool(rest.unreadable or rest.celery)
            or any(one.frees_key or one.actor not in self.actors for one in claimed)
            or admission.needs_admission(claimed, self._policies)
        )

    def _sift(self, session: Session, claimed: list[Claimed], rest: _Rest) -> list[Claimed]:
        """Return the claimed jobs that may start; the other deliveries are held, expired or duplicates."""
        claimed = self._without_unknown(session, claimed)
        others = rest.by_id.keys() - {one.id for one in claimed}
        if claimed:
            claimed = claims.admit(session, claimed, self._policies, take_suspect=self._load.take_suspect)
        claims.free_keys(session, claimed)
        if others:
            for id in others - rest.messages.keys():
                self._decode(rest.by_id[id][0], rest)
            self._sort_out(session, rest, {id: rest.messages[id] for id in others & rest.messages.keys()})
        if rest.unreadable:
            held.hold_unreadable(session, rest.unreadable)
        if rest.celery:
            celery_inbox.part(session, rest.celery)
        return claimed

    def _decode(self, arrival: Arrival, rest: _Rest) -> Glance | None:
        """Decode a body and record its message, or that it is invalid."""
        message, problem = decode(arrival.body)
        if message is None:
            if self._takes_celery and arrival.properties is not None:
                rest.celery.append(CeleryMessage(self._queue, arrival.properties, arrival.body, arrival.redelivered))
                return None
            rest.unreadable.append(held.Unreadable(self._queue, arrival.body, problem, arrival.redelivered))
            return None
        rest.messages[message.message_id] = message
        return Glance(message.message_id, message.actor_name, _attempt(message))

    def _without_unknown(self, session: Session, claimed: list[Claimed]) -> list[Claimed]:
        """A body may name another actor than its row: the row counts, and this worker may not have that actor."""
        unknown = [one for one in claimed if one.actor not in self.actors]
        if unknown:
            claims.give_back(session, self._lease.worker_id, [(one.seq, one.attempt) for one in unknown])
        return [one for one in claimed if one.actor in self.actors]

    def _sort_out(self, session: Session, rest: _Rest, others: dict[str, Message[Any]]) -> None:
        reasons = claims.explain(session, others.keys(), self.actors, wanted=rest.wanted)
        of = {kind: [id for id, reason in reasons.items() if reason is kind] for kind in Unclaimable}
        if of[Unclaimable.UNKNOWN_JOB]:
            foreign = [(self._queue, others[id]) for id in of[Unclaimable.UNKNOWN_JOB]]
            held.hold_foreign(session, foreign, run=get_settings().foreign_messages == "run")
            log.warning("foreign_messages", queue=self._queue, messages=len(foreign))
        if of[Unclaimable.UNKNOWN_ACTOR]:
            held.hold_unknown_actors(session, of[Unclaimable.UNKNOWN_ACTOR], self._lease.name)
        if of[Unclaimable.EXPIRED]:
            due_jobs.expire(session)
        rest.refused.update(of[Unclaimable.REFUSED])

    def _note_frontier(self, claimed: list[Claimed]) -> None:
        frontier = self._load.frontier
        newest = max((one.published_us for one in claimed if one.published_us is not None), default=0)
        if newest > frontier.get(self._queue, 0):
            frontier[self._queue] = newest


def _attempt(message: Message[Any]) -> int:
    """The attempt that a message is for; one sent by a stock producer is for the first."""
    attempt = message.options.get("attempt", 1)
    return attempt if type(attempt) is int and 0 < attempt < 2**31 else 1  # True is an int in Python, but not in SQL
