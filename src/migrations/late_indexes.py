"""Indexes that PostgreSQL builds after a migration, while workers of the release before go on writing."""

from __future__ import annotations

from sqlalchemy import Engine, text

#: name -> what it covers; SQLite builds the same ones in its migrations
LATE = {
    "ix_jobs_backlog": "jobs (queue, state) WHERE state IN ('scheduled', 'retrying', 'held', 'dead')",
    "ix_schedule_ticks_failed": "schedule_ticks (finished_at) WHERE state IN ('dead', 'expired', 'cancelled')",
    "ix_schedule_ticks_missed": "schedule_ticks (schedule_id, decided_at) WHERE state = 'missed'",
    "ix_job_statistics_actor": "job_statistics (span, minute, actor, state, jobs)",
    "ix_jobs_parent": "jobs (parent_id) WHERE parent_id IS NOT NULL",
}
#: an arbitrary constant: the advisory lock of the process that builds them
_LOCK = 7_236_522
_IS_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


def build(engine: Engine) -> None:
    """Build those that are missing. Without one of them some pages are slower, so another process that builds them is not waited for."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # Not waited for: PostgreSQL ends a concurrent build only when no older statement runs, and the waiting one would be older.
        if not connection.execute(text(f"SELECT pg_try_advisory_lock({_LOCK})")).scalar_one():
            return
        for name, covered in LATE.items():
            if connection.execute(_IS_VALID, {"name": name}).scalar():
                continue
            connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))  # left invalid by a build that was interrupted
            connection.execute(text(f"CREATE INDEX CONCURRENTLY {name} ON {covered}"))
