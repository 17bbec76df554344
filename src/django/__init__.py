"""Django: jobs in Django's transactions, its tasks as actors, and its set-up in workers.

The law of this room: Django alone commits, rolls back and closes its connections. `tasks` and `actors` are imported by
name, because they need Django's settings. It imports every room below; none imports it.
"""

from .transactions import session, submit

__all__ = ["session", "submit"]
