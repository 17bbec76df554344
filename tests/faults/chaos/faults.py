"""Faults between two steps of a job's path, injected into a real command from outside.

The process reads the fault's name from CHAOS_FAULT. The first process to reach the place strikes, once: a file named in
CHAOS_STRUCK records it, so the process that replaces it goes on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import OperationalError

from src.broker.consume import claimer
from src.broker.consume.celery_messages import celery_inbox
from src.broker.execute import attempt, committer, executor
from src.broker.process import boot, worker_process
from src.broker.publish import confirmation_writer, frame_writer, publisher
from src.broker.recover import relay
from src.jobs.core import release
from src.jobs.core.envelopes import Envelope
from src.jobs.core.envelopes import publisher as hook
from src.jobs.files import result_files
from src.jobs.leases import workers
from src.jobs.relay import due_jobs

NAME = "CHAOS_FAULT"
STRUCK = "CHAOS_STRUCK"
CONFIRM_WITHIN = "CHAOS_CONFIRM_WITHIN"

Condition = Callable[..., bool]


def arm() -> None:
    """Put the fault that the environment names, if any, into this process."""
    if CONFIRM_WITHIN in os.environ:
        release.CONFIRM_WITHIN = float(os.environ[CONFIRM_WITHIN])
    name = os.environ.get(NAME)
    if name:
        FAULTS[name]()


def _kill_before(owner: Any, name: str, when: Condition = lambda *_, **__: True) -> Callable[[], None]:
    def put() -> None:
        stock = getattr(owner, name)

        def replaced(*args: Any, **kwargs: Any) -> Any:
            if when(*args, **kwargs):
                _die_once()
            return stock(*args, **kwargs)

        setattr(owner, name, replaced)

    return put


def _kill_after(owner: Any, name: str, when: Condition = lambda *_, **__: True) -> Callable[[], None]:
    def put() -> None:
        stock = getattr(owner, name)

        def replaced(*args: Any, **kwargs: Any) -> Any:
            answer = stock(*args, **kwargs)
            if when(*args, **kwargs):
                _die_once()
            return answer

        setattr(owner, name, replaced)

    return put


def _lose_answer_after(owner: Any, name: str, when: Condition = lambda *_, **__: True) -> Callable[[], None]:
    """The commit has happened, but the connection breaks before the database's answer arrives."""

    def put() -> None:
        stock = getattr(owner, name)

        def replaced(*args: Any, **kwargs: Any) -> Any:
            answer = stock(*args, **kwargs)
            if when(*args, **kwargs) and _first():
                raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"), connection_invalidated=True)
            return answer

        setattr(owner, name, replaced)

    return put


def _kill_at_hand_over() -> None:
    def listener(envelopes: list[Envelope]) -> None:
        _die_once()
        publisher.hand_off(envelopes)

    hook.connect(listener)


def _kill_with_rows_of_celery() -> None:
    take = celery_inbox.part

    def taken(session: Any, messages: Any) -> None:
        take(session, messages)
        _die_once()

    celery_inbox.connect(taken)


def _die_once() -> None:
    if _first():
        os.kill(os.getpid(), signal.SIGKILL)


def _first() -> bool:
    try:
        os.close(os.open(os.environ[STRUCK], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _has_ends(_committer: Any, finished: Any) -> bool:
    return bool(finished)


def _has_own_session(_executor: Any, running: Any, _finished: Any) -> bool:
    return running.job.open_session is not None


FAULTS: dict[str, Callable[[], None]] = {
    # submitters
    "commit | hand-over": _kill_at_hand_over,
    "hand-over | publish": _kill_before(frame_writer.JoiningConnection, "publish"),
    "publish | confirm": _kill_before(publisher.Publisher, "_on_confirm"),
    "confirm | mark": _kill_before(confirmation_writer.ConfirmationWriter, "_write"),
    # relay
    "taken by the relay | publish": _kill_before(relay, "hand_off", lambda envelopes: bool(envelopes)),
    "given away | commit": _kill_after(workers, "take_over"),
    # worker
    "delivery | claim": _kill_before(claimer.Claimer, "take"),
    "claim | start": _kill_before(executor.Executor, "run"),
    "actor | commit, plain": _kill_before(committer.Committer, "_settle", _has_ends),
    "actor | commit, transactional": _kill_before(attempt.AttemptRunner, "_commit_own", _has_own_session),
    "end written | commit, plain": _kill_after(committer, "settle"),
    "end written | commit, transactional": _kill_after(attempt, "settle"),
    "result's file | commit": _kill_after(result_files, "keep"),
    "commit | hand over of the ack": _kill_after(attempt.AttemptRunner, "_commit_own", _has_own_session),
    "commit | ack": _kill_before(committer.Committer, "_acknowledge"),
    "stop | jobs given back": _kill_before(worker_process.WorkerProcess, "close"),
    "jobs given back | end": _kill_after(worker_process.WorkerProcess, "close"),
    "stop | relay ends": _kill_before(boot.Boot, "before_worker_shutdown"),
    # messages of Celery
    "rows of Celery's messages | commit": _kill_with_rows_of_celery,
    "commit of Celery's messages | ack": _kill_after(claimer.Claimer, "take", lambda own, _arrivals: own._takes_celery),
    # the database's answer
    "answer to the claim's commit lost": _lose_answer_after(claimer.Claimer, "take"),
    "answer to the end's commit lost": _lose_answer_after(committer.Committer, "_settle", _has_ends),
    "answer to the transaction's commit lost": _lose_answer_after(attempt.AttemptRunner, "_commit_own", _has_own_session),
    "answer to the relay's commit lost": _lose_answer_after(due_jobs, "take_unpublished", lambda *_, **__: True),
}
