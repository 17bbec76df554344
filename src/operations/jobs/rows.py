"""Row types that reads and operations return, for the web's annotations. Only src.jobs and operations query their tables."""

from __future__ import annotations

from ...jobs.alerts.models import Alert
from ...jobs.batches.models import Batch, Stage
from ...jobs.core.models import Attempt, FailureGroup, Job, LogLine, Worker
from ...jobs.webhooks.models import Kind as WebhookKind
from ...jobs.webhooks.models import Webhook

__all__ = ["Alert", "Attempt", "Batch", "FailureGroup", "Job", "LogLine", "Stage", "Webhook", "WebhookKind", "Worker"]
