"""Celery's own integration tests of canvas and tasks, run against `src.celery` with a real worker.

The tests are those of a checkout of Celery; none of its code is used. See `__main__.py` for the command.
"""
