"""Jobs: their rows, and the only functions that write them.

The law of this room: SQL only; it knows no pika, Flask or APScheduler. Every function takes the session first and never
commits: the code that opened the session does. A state changes only by a move of `states.MOVES`, as compare-and-set.
"""

from .. import early_actors
from .attempts.current_job import current_job
from .core.errors import CancelRequested, JobsError
from .core.states import Outcome, State
from .files.upload import Upload, UploadLimits
from .limits.breakers import CircuitBreaker
from .submit.requests import Receipt, Submission
from .submit.submission import submit, submit_many
from .workflows import canvas
from .workflows import stored as signatures
from .workflows.canvas import Workflow, outcome_of, result_of

__all__ = [
    "CancelRequested",
    "CircuitBreaker",
    "JobsError",
    "Outcome",
    "Receipt",
    "State",
    "Submission",
    "Upload",
    "UploadLimits",
    "Workflow",
    "canvas",
    "current_job",
    "outcome_of",
    "result_of",
    "signatures",
    "submit",
    "submit_many",
]

early_actors.hold()
