"""Row types that reads and operations return, for the web's annotations. Only src.jobs and operations query their tables."""

from __future__ import annotations

from src.jobs.alert_models import Alert
from src.jobs.batch_models import Batch, Stage
from src.jobs.models import FailureGroup, Job, LogLine, Worker
from src.jobs.webhook_models import Kind as WebhookKind
from src.jobs.webhook_models import Webhook

__all__ = ["Alert", "Batch", "FailureGroup", "Job", "LogLine", "Stage", "Webhook", "WebhookKind", "Worker"]
