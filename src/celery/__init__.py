"""Celery's interface: an unchanged tasks.py runs with only its import line changed.

The law of this room: a call does what Celery documents, or raises at once with the name and the cure. It keeps nothing
of its own: tasks are actors, results are rows, shapes are workflows, beat's entries are schedules. Modules have
Celery's names: `from src.celery.schedules import crontab`. It imports every room below; none imports it.
"""

from typing import NamedTuple

from . import exceptions, inbox, signals, states
from .app import Celery, current_app, current_task, shared_task
from .base import modules
from .canvas import Signature, chain, chord, chunks, group, maybe_signature, signature, subtask, xmap, xstarmap
from .result import AsyncResult, EagerResult, GroupResult, ResultSet
from .schedules import crontab, schedule, solar
from .task import Task
from .utils import uuid

__all__ = [
    "AsyncResult",
    "Celery",
    "EagerResult",
    "GroupResult",
    "ResultSet",
    "Signature",
    "Task",
    "chain",
    "chord",
    "chunks",
    "crontab",
    "current_app",
    "current_task",
    "exceptions",
    "group",
    "maybe_signature",
    "schedule",
    "shared_task",
    "signals",
    "signature",
    "solar",
    "states",
    "subtask",
    "uuid",
    "xmap",
    "xstarmap",
]


class version_info_t(NamedTuple):
    """The parts of the version."""

    major: int
    minor: int
    micro: int
    releaselevel: str = ""
    serial: str = ""


#: the version of Celery whose interface this is
__version__ = "5.7.0"
VERSION = version_info = version_info_t(5, 7, 0)
VERSION_BANNER = f"{__version__} (Callboard)"

__getattr__ = modules.absent(__name__)

assert inbox  # imported for its hook
modules.refuse()

from .. import actors  # noqa: E402 - last: it imports the modules of CALLBOARD_ACTORS, which import these names

assert actors
