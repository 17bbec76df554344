"""Inbox: messages that Celery's own producers have left in a queue become jobs, or are held with the reason.

Connected to the claimer of the queues that CALLBOARD_CELERY_QUEUES names. Imports task and below.
"""

from ...broker.consume.celery_messages import celery_inbox
from . import adoption

celery_inbox.connect(adoption.take)
