"""WHEN is a job due again? Rules in time, schedules as rows, and the ticks they have fired.

The law of this room: SQL and calendar arithmetic only; it knows no pika, Flask or APScheduler, and no actor but by name.
It alone writes the tables of schedules; jobs it submits through `jobs`. Every function takes the session first and never
commits. The processes that wait for the instants are in src/scheduling.
"""

from .rows import search_field as searching
from .rows.declarations import Declaration, cron, every

__all__ = ["Declaration", "cron", "every", "searching"]
