"""Schedules: rules in time, schedules as rows, and the ticks they have fired.

The law of this room: SQL and calendar arithmetic only; it knows no pika, Flask or APScheduler, and actors only by name.
It alone writes the tables of schedules; it submits jobs through `jobs`. Every function takes the session first and
never commits. The processes that wait for ticks are in src/scheduling.
"""

from .rows import search_field as searching
from .rows.declarations import Declaration, cron, every

__all__ = ["Declaration", "cron", "every", "searching"]
