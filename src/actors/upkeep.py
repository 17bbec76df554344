"""Upkeep: back up the database, and delete expired rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
from sqlalchemy.orm import Session

from ..backup import creation
from ..jobs import current_job
from ..jobs.failures import counting
from ..jobs.upkeep import retention
from ..jobs.webhooks import webhooks
from ..jobs.workflows import message_groups
from ..mail import deliveries, mailbox
from ..reports import archive
from ..schedules import cron
from ..settings import get_settings
from ..sql.database import get_database, write

#: rows deleted per transaction: few enough not to block others
AT_ONCE = 500
#: how long webhook deliveries are kept
KEEP_DELIVERIES = timedelta(days=30)


@dramatiq.actor(queue_name="upkeep", unique=True, submit_role="operator", max_retries=2, time_limit=3_600_000, periodic=cron("@hourly"))
def back_up() -> dict[str, Any]:
    """Back up the database.

    The copy is made while everything runs, then read back and checksummed. Then old backups are deleted: all of the
    last day stay, the newest of each of 7 days, and the newest of each of 5 weeks.
    """
    folder = get_settings().effective_backup_dir
    path, manifest = creation.make(get_database(), folder)
    gone = creation.prune(folder)
    return {
        "file": str(path),
        "bytes": manifest.bytes,
        "sha256": manifest.sha256,
        "rows": manifest.counts,
        "pruned": [each.name for each in gone],
    }


@dramatiq.actor(queue_name="upkeep", unique=True, submit_role="operator", max_retries=2, time_limit=3_600_000, periodic=cron("30 3 * * *"))
def prune() -> dict[str, int]:
    """Delete jobs, reports and emails past their retention.

    The retention of each is a setting, CALLBOARD_KEEP_….
    """
    settings = get_settings()
    mails = timedelta(days=settings.keep_mails)
    kinds: dict[str, Callable[[Session], int]] = {
        "jobs": lambda session: retention.prune(session, batch=AT_ONCE),
        "message_groups": lambda session: message_groups.prune(session, batch=AT_ONCE),
        "reports": lambda session: archive.prune(session, keep=timedelta(days=settings.keep_reports), batch=AT_ONCE),
        "webhook_deliveries": lambda session: webhooks.prune(session, keep=KEEP_DELIVERIES, batch=AT_ONCE),
        "mails": lambda session: deliveries.prune(session, keep=mails, batch=AT_ONCE),
    }
    deleted = {name: _until_done(prune_some) for name, prune_some in kinds.items()}
    with write() as session:
        deleted["mailbox"] = mailbox.prune(session, keep=mails)
        deleted["failure_groups"] = counting.forget(session, keep=timedelta(days=settings.keep_dead))
    return deleted


def _until_done(prune_some: Callable[[Session], int]) -> int:
    total = 0
    while True:
        with write() as session:
            count = prune_some(session)
        total += count
        current_job.progress(total)
        if not count:  # fewer than AT_ONCE are not the end: jobs that are still needed may stand between
            return total
