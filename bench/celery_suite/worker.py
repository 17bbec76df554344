"""Module of actors for the suite's worker and its tests: the application, and the suite's own tasks."""

from __future__ import annotations

import importlib

from bench.celery_suite import celery_names

celery_names.install()

from src.celery import Celery  # noqa: E402 - the names first, so that the suite's tasks find them

app = Celery("celery_suite", result_backend="redis://")
tasks = importlib.import_module("t.integration.tasks")
app.register_task(tasks.ClassBasedAutoRetryTask)
