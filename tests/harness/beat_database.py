"""A database as django-celery-beat 2.8 makes it, with a row of each kind."""

from __future__ import annotations

from sqlalchemy import URL, create_engine, text

_TABLES = """
CREATE TABLE django_celery_beat_crontabschedule (
    id integer PRIMARY KEY, minute varchar(240), hour varchar(96), day_of_month varchar(124), month_of_year varchar(64), day_of_week varchar(64),
    timezone varchar(63));
CREATE TABLE django_celery_beat_intervalschedule (id integer PRIMARY KEY, every integer, period varchar(24));
CREATE TABLE django_celery_beat_solarschedule (id integer PRIMARY KEY, event varchar(24), latitude decimal, longitude decimal);
CREATE TABLE django_celery_beat_clockedschedule (id integer PRIMARY KEY, clocked_time datetime);
CREATE TABLE django_celery_beat_periodictask (
    id integer PRIMARY KEY, name varchar(200) UNIQUE, task varchar(200), args text DEFAULT '[]', kwargs text DEFAULT '{}', queue varchar(200),
    exchange varchar(200), routing_key varchar(200), headers text DEFAULT '{}', priority integer, expires datetime, expire_seconds integer,
    one_off bool DEFAULT 0, start_time datetime, enabled bool DEFAULT 1, last_run_at datetime, total_run_count integer DEFAULT 0,
    date_changed datetime, description text DEFAULT '', crontab_id integer, interval_id integer, solar_id integer, clocked_id integer);
INSERT INTO django_celery_beat_crontabschedule VALUES (1, '0', '6', '*', '*', 'mon-fri', 'Europe/Berlin'), (2, '0', '0', '1', '*', '1', 'UTC');
INSERT INTO django_celery_beat_intervalschedule VALUES (1, 10, 'minutes'), (2, 500, 'microseconds');
INSERT INTO django_celery_beat_solarschedule VALUES (1, 'sunset', 1, 2);
INSERT INTO django_celery_beat_clockedschedule VALUES (1, '2090-01-01 10:00:00'), (2, '2020-01-01 10:00:00');
"""
#: name, task, args, rule and columns that are not defaults
_ROWS = (
    ("report", "add", '["a", "b"]', {"crontab_id": 1, "start_time": "2089-01-01 00:00:00"}),
    ("disabled", "keep", '[]', {"interval_id": 1, "enabled": False, "kwargs": '{"x": 1}', "queue": "elsewhere", "expire_seconds": 30}),
    ("once", "keep", '[]', {"clocked_id": 1, "one_off": True}),
    ("has run", "keep", '[]', {"clocked_id": 2, "one_off": True, "enabled": False}),
    ("too often", "keep", '[]', {"interval_id": 2}),
    ("either day", "keep", '[]', {"crontab_id": 2}),
    ("at sunset", "keep", '[]', {"solar_id": 1}),
    ("next time only", "keep", '[]', {"interval_id": 1, "one_off": True}),
    ("unknown task", "nowhere", '[]', {"interval_id": 1}),
    ("wrong arguments", "add", '["a"]', {"interval_id": 1}),
)  # fmt: skip


def make(url: URL | str, module: str) -> None:
    """Make its tables in a database, with tasks of this module."""
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET TIME ZONE 'UTC'"))
        for statement in _TABLES.split(";")[:-1]:
            connection.execute(text(_spelled(statement, engine.dialect.name)))
        for name, task, args, more in _ROWS:
            columns: dict[str, object] = {"name": name, "task": f"{module}.{task}", "args": args, **more}
            connection.execute(
                text(
                    f"INSERT INTO django_celery_beat_periodictask ({', '.join(columns)}) VALUES ({', '.join(f':{each}' for each in columns)})"
                ),
                columns,
            )
        cleanup = "INSERT INTO django_celery_beat_periodictask (name, task, crontab_id) VALUES ('celery.backend_cleanup', 'celery.backend_cleanup', 1)"
        connection.execute(text(cleanup))
    engine.dispose()


def _spelled(statement: str, dialect: str) -> str:
    """A statement as Django writes it for this database."""
    if dialect == "sqlite":
        return statement
    for ours, theirs in {
        "integer PRIMARY KEY": "serial PRIMARY KEY", "datetime": "timestamp with time zone", "bool DEFAULT 0": "boolean DEFAULT false",
        "bool DEFAULT 1": "boolean DEFAULT true",
    }.items():  # fmt: skip
        statement = statement.replace(ours, theirs)
    return statement
