"""The audit log: who did what, and what was refused, written in the transaction of the change itself.

The law of this room: entries are only added (the database refuses to change one) and deleted after their retention.
Each entry point (a request, a command) begins an action; the first commit in its thread writes the entry. So no change
lacks its entry, and no entry describes a change that was rolled back. Knows no Flask and no jobs.
"""

from .models import AuditEntry, Outcome, Via
from .recording import PendingEntry, about, begin, end, is_under_way, record, take

__all__ = ["AuditEntry", "Outcome", "PendingEntry", "Via", "about", "begin", "end", "is_under_way", "record", "take"]
