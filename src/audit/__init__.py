"""WHO did WHAT, and who was refused: one line per deed, written in the transaction of the deed.

The law of this room: lines are only ever added (the database refuses to change one), and deleted when their time is over.
Whoever lets somebody in (a request, a verb at a terminal) begins a deed; the first commit that follows in its thread takes the
line along. So nothing is done without its line, and no line tells of what was rolled back. Knows no Flask and no jobs.
"""

from .models import AuditEntry, Outcome, Via
from .recording import PendingEntry, about, begin, end, is_under_way, record, take

__all__ = ["AuditEntry", "Outcome", "PendingEntry", "Via", "about", "begin", "end", "is_under_way", "record", "take"]
