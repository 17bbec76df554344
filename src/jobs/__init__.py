"""WHAT is a job? Rows, and the only functions that write them.

The law of this room: SQL only; it knows no pika, Flask or APScheduler. Every function takes the session first and
never commits: whoever opened the session does. A state changes only by a move of `states.MOVES`, as compare-and-set.
"""

from src.jobs import canvas, signatures
from src.jobs.breakers import CircuitBreaker
from src.jobs.canvas import Workflow, outcome_of, result_of
from src.jobs.current import current_job
from src.jobs.errors import CancelRequested, JobsError
from src.jobs.states import Outcome, State
from src.jobs.submission import Receipt, Submission, submit, submit_many
from src.jobs.upload import Upload, UploadLimits

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
