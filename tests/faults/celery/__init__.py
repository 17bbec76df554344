"""Celery's producers beside workers that are killed."""

#: seconds that a producer may take to send everything
ROUNDS_S = 300
