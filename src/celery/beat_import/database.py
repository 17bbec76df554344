"""Tables of django-celery-beat, read without Django and without writing to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from ...configuration.database_url import parse
from ..exceptions import ImproperlyConfigured

_TASKS = "django_celery_beat_periodictask"
#: column of a task -> table of its rule
RULES = {
    "interval_id": "django_celery_beat_intervalschedule",
    "crontab_id": "django_celery_beat_crontabschedule",
    "solar_id": "django_celery_beat_solarschedule",
    "clocked_id": "django_celery_beat_clockedschedule",
}
Row = Mapping[str, Any]


def rows(url: str) -> list[tuple[Row, str, Row]]:
    """Return the periodic tasks by name, each with the column of its rule and the rule's row. Raises ImproperlyConfigured with the cure."""
    try:
        place = parse(url)
    except ValueError as error:
        raise ImproperlyConfigured(f"--beat-db {error}.") from None
    if place.get_backend_name() == "sqlite" and not Path(place.database or "").exists():
        raise ImproperlyConfigured(f"There is no database at {place.database}.")
    engine = create_engine(place)
    try:
        with engine.connect() as connection:
            return list(_read(connection))
    except SQLAlchemyError as error:
        raise ImproperlyConfigured(f"The database of beat cannot be read: {str(error).splitlines()[0]}") from None
    finally:
        engine.dispose()


def _read(connection: Connection) -> Iterator[tuple[Row, str, Row]]:
    present = set(inspect(connection).get_table_names())
    if _TASKS not in present:
        raise ImproperlyConfigured(f"The database has no table {_TASKS}: --beat-db names that of an application with django-celery-beat.")
    # A release of django-celery-beat has the columns of its time: all that exist are read.
    rules = {
        column: {row["id"]: dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()} if table in present else {}
        for column, table in RULES.items()
    }
    for row in connection.execute(text(f"SELECT * FROM {_TASKS} ORDER BY name")).mappings():
        column = next((each for each in RULES if row.get(each) is not None), "")
        yield dict(row), column, rules[column].get(row[column], {}) if column else {}
