"""Submission by SQL: the function callboard_submit() of PostgreSQL."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import dramatiq
import pytest
from dramatiq.broker import Broker
from sqlalchemy import create_engine, func, make_url, select, text
from sqlalchemy.exc import DBAPIError

import tests.actors.sql_door  # noqa: F401 - declares the actors
from src.broker.recover.relay import Relay
from src.broker.recover.sql_door import SqlDoor
from src.jobs.control import actions
from src.jobs.core.models import Job
from src.jobs.core.states import HeldFor, State
from src.jobs.submit.models import SqlRequest
from src.migrations import migrate
from src.settings import get_settings
from src.sql.database import Database
from tests.harness.inline import Inline
from tests.harness.jobs import StillClock, look
from tests.harness.services import Postgres, random_name
from tests.harness.stores import only_on

pytestmark = only_on("postgresql")  # SQLite has no functions of its own


@pytest.fixture(autouse=True)
def _registered(database: Database) -> None:
    """Register a few actors, before a worker's lease begins: a schema takes some milliseconds."""
    few = Broker()
    few.actors = {name: actor for name, actor in dramatiq.get_broker().actors.items() if name.startswith(("sql_", "deliver_"))}
    SqlDoor().register(few)


def submitted(database: Database, actor: str, request: Any = None) -> str:
    """Call the function as psql would, in a transaction of its own; return the job's id."""
    with database.engine.begin() as connection:
        arguments = {"actor": actor, "request": json.dumps({} if request is None else request)}
        return str(connection.execute(text("SELECT callboard_submit(:actor, CAST(:request AS jsonb))"), arguments).scalar_one())


def refused(database: Database, actor: str, request: Any) -> str:
    with pytest.raises(DBAPIError) as caught:
        submitted(database, actor, request)
    assert caught.value.orig is not None
    assert getattr(caught.value.orig, "sqlstate", None) == "22023"
    return str(caught.value.orig).splitlines()[0]


def test_a_call_is_a_job_with_the_id_that_it_returned(inline: Inline, database: Database) -> None:
    id = submitted(database, "sql_sum", {"kwargs": {"x": 2, "y": 3}})
    Relay().run_once()
    job = look(database, id)
    assert (job.actor, job.source, job.submitted_by, job.kwargs) == ("sql_sum", "sql", database.url.username, {"x": 2, "y": 3})

    inline.run_all()

    assert (look(database, id).state, look(database, id).result) == (State.SUCCEEDED, 5)


def test_arguments_by_position_and_defaults_are_those_of_the_function(inline: Inline, database: Database) -> None:
    ids = [submitted(database, "sql_sum", {"args": [2]}), submitted(database, "sql_sum", {"args": [2], "kwargs": {"y": 5}})]
    Relay().run_once()

    inline.run_all()

    assert [look(database, id).result for id in ids] == [12, 7]


def test_what_is_rolled_back_is_no_job(inline: Inline, database: Database) -> None:
    with database.engine.connect() as connection:
        connection.execute(text("""SELECT callboard_submit('sql_sum', '{"kwargs": {"x": 1}}')"""))
        connection.rollback()
    Relay().run_once()

    with database.read() as session:
        assert session.execute(select(func.count()).select_from(Job)).scalar_one() == 0
        assert session.execute(select(func.count()).select_from(SqlRequest)).scalar_one() == 0


@pytest.mark.parametrize(
    ("actor", "request_", "said"),
    [
        ("unknown", {}, 'actor: no worker has registered an actor "unknown"'),
        ("sql_sum", {}, "sql_sum: request.kwargs.x: required"),
        ("sql_sum", [], "sql_sum: request: must be object, not []"),
        ("sql_sum", {"kwargs": {}}, "sql_sum: request.kwargs.x: required"),
        ("sql_sum", {"kwargs": {"x": "two"}}, 'sql_sum: request.kwargs.x: must be integer, not "two"'),
        ("sql_sum", {"kwargs": {"x": 1.5}}, "sql_sum: request.kwargs.x: must be integer, not 1.5"),
        ("sql_sum", {"kwargs": {"x": True}}, "sql_sum: request.kwargs.x: must be integer, not true"),
        ("sql_sum", {"kwargs": {"x": None}}, "sql_sum: request.kwargs.x: must be integer, not null"),
        ("sql_sum", {"kwargs": {"x": 1, "z": 2}}, "sql_sum: request.kwargs.z: no such name; there are: x, y"),
        ("sql_sum", {"kwargs": {"x": 1}, "prioritiy": 3}, "sql_sum: request.prioritiy: no such name"),
        ("sql_sum", {"kwargs": {"x": 1}, "priority": 10}, "sql_sum: request.priority: 10 is too large; the limit is 9"),
        ("sql_sum", {"kwargs": {"x": 1}, "delay": "soon"}, 'sql_sum: request.delay: "soon" is neither a time nor a duration'),
        ("sql_sum", {"kwargs": {"x": 1}, "delay": "1m", "eta": "2030-01-01"}, "sql_sum: request.delay: give either delay or eta"),
        ("sql_sum", {"args": [1, 2, 3]}, "request.args: at most 2 by position, not 3"),
        ("sql_sum", {"args": [1], "kwargs": {"x": 1}}, "request.kwargs.x: given twice"),
        (
            "sql_order",
            {"kwargs": {"order": {"number": "7", "lines": []}}},
            "sql_order: request.kwargs.order.lines: must have at least 1 entries",
        ),
        (
            "sql_order",
            {"kwargs": {"order": {"number": "x", "lines": [{"sku": "A-1"}]}}},
            'request.kwargs.order.number: "x" does not match ^[0-9]+$',
        ),
        (
            "sql_order",
            {"kwargs": {"order": {"number": "7", "lines": [{"sku": 1}]}}},
            "request.kwargs.order.lines[0].sku: must be string, not 1",
        ),
        (
            "sql_order",
            {"kwargs": {"order": {"number": "7", "lines": [{"sku": "a"}], "due": "31.12."}}},
            'order.due: "31.12." is not a date',
        ),
        ("sql_order", {"kwargs": {"order": {"number": "7", "lines": [{"sku": "a"}], "way": "air"}}}, "order.way: must be one of"),
        ("sql_secret", {"kwargs": {"password": "x"}}, "actor: sql_secret cannot be submitted by SQL: it has secret arguments"),
        ("deliver_webhook", {"kwargs": {"id": "x"}}, "actor: deliver_webhook cannot be submitted by SQL: only Callboard itself"),
    ],
    ids=str,
)
def test_a_wrong_request_is_refused_in_sql_and_names_its_field(database: Database, actor: str, request_: Any, said: str) -> None:
    assert said in refused(database, actor, request_)


def test_models_dates_and_choices_arrive_as_the_functions_types(inline: Inline, database: Database) -> None:
    order = {"number": "7", "lines": [{"sku": "A-1", "pieces": 2}], "due": "2030-12-31", "way": "sea"}
    id = submitted(database, "sql_order", {"kwargs": {"order": order}})
    Relay().run_once()

    inline.run_all()

    assert look(database, id).result == "7 A-1 2 date sea"


def test_options_are_those_of_the_api(inline: Inline, database: Database, time: StillClock) -> None:
    id = submitted(
        database,
        "sql_sum",
        {
            "kwargs": {"x": 1},
            "priority": 9,
            "eta": "2100-01-01T10:00:00+02:00",
            "expires": "2100-01-02",
            "keep_until": "90 days",
            "unique_key": "k",
            "fair_key": "f",
        },
    )
    Relay().run_once()

    job = look(database, id)

    assert (job.state, job.priority, job.unique_key, job.fair_key) == (State.SCHEDULED, 9, "k", "f")
    assert job.due_at == datetime.fromisoformat("2100-01-01T08:00:00+00:00")
    assert job.keep_until is not None
    assert (job.keep_until - job.created_at).days in (89, 90)


@pytest.mark.parametrize(("delay", "seconds"), [(90, 90), ("90", 90), ("10m", 600), ("1 hour 30 min", 5400), ("PT5S", 5)])
def test_a_delay_is_a_number_of_seconds_or_an_interval(inline: Inline, database: Database, delay: Any, seconds: int) -> None:
    id = submitted(database, "sql_sum", {"kwargs": {"x": 1}, "delay": delay})
    with database.read() as session:
        created = session.execute(select(SqlRequest.created_at)).scalar_one()
    Relay().run_once()

    job = look(database, id)

    assert job.due_at is not None
    assert (job.due_at - created).total_seconds() == seconds


def test_a_second_job_of_a_key_ends_as_the_first(inline: Inline, database: Database) -> None:
    ids = [submitted(database, "sql_sum", {"kwargs": {"x": 1}, "unique_key": "k"}) for _ in range(2)]
    Relay().run_once()

    inline.run_all()

    assert [look(database, id).result for id in ids] == [11, 11]


def test_what_only_the_code_refuses_is_held_with_the_reason(inline: Inline, database: Database) -> None:
    id = submitted(database, "sql_even", {"kwargs": {"x": 3}})
    Relay().run_once()

    inline.run_all()

    job = look(database, id)
    assert (job.state, "x" in (job.reason or "")) == (State.HELD, True)


def test_a_request_waits_for_a_process_with_its_code_and_then_for_no_one(inline: Inline, database: Database, time: StillClock) -> None:
    id = submitted(database, "sql_sum", {"kwargs": {"x": 1}})
    with database.write() as session:
        session.execute(text("UPDATE sql_requests SET actor = 'gone', created_at = now()"))
    foreign = dramatiq.get_broker()

    assert SqlDoor().submit(foreign) == 0
    with database.write() as session:
        session.execute(text("UPDATE sql_requests SET created_at = created_at - interval '10 years'"))
    assert SqlDoor().submit(foreign) == 1

    assert look(database, id).actor == "gone"


def test_a_trigger_submits_for_each_new_row(inline: Inline, database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TEMP TABLE orders (id int)"))
        connection.execute(
            text(
                "CREATE FUNCTION pg_temp.ordered() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " PERFORM callboard_submit('sql_sum', jsonb_build_object('kwargs', jsonb_build_object('x', NEW.id))); RETURN NEW; END $$"
            )
        )
        connection.execute(text("CREATE TRIGGER ordered AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION pg_temp.ordered()"))
        connection.execute(text("INSERT INTO orders VALUES (1), (2)"))
    Relay().run_once()

    inline.run_all()

    with database.read() as session:
        assert sorted(session.execute(select(Job.result)).scalars()) == [11, 12]


def test_a_role_without_the_right_cannot_submit_and_one_with_it_needs_no_table(database: Database) -> None:
    with database.engine.connect() as connection:
        connection.execute(text("CREATE ROLE shop"))
        connection.execute(text("SET ROLE shop"))
        call = text("""SELECT callboard_submit('sql_sum', '{"kwargs": {"x": 1}}')""")
        with connection.begin_nested(), pytest.raises(DBAPIError, match="permission denied"), connection.begin_nested():
            connection.execute(call)
        connection.execute(text("RESET ROLE"))
        connection.execute(text("GRANT EXECUTE ON FUNCTION callboard_submit TO shop"))
        connection.execute(text("SET ROLE shop"))

        assert connection.execute(call).scalar_one()

        connection.rollback()


def test_migrating_again_replaces_the_functions(database: Database) -> None:
    migrate(database.url.render_as_string(hide_password=False))

    assert submitted(database, "sql_sum", {"kwargs": {"x": 1}})


@pytest.mark.parametrize(("schema", "user", "has_short_name"), [("callboard", "shop", True), ("", "shop", True), ("", "callboard", False)])
def test_the_short_name_is_made_where_it_does_not_hide_tables(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, schema: str, user: str, has_short_name: bool
) -> None:
    name, role = random_name("door"), user if user == "callboard" else random_name(user)
    if role != "callboard":
        postgres.execute(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'x'")
    postgres.execute(f"CREATE DATABASE {name}")
    monkeypatch.setenv("CALLBOARD_DATABASE_SCHEMA", schema)
    get_settings.cache_clear()
    url = make_url(postgres.url(name))
    url = url if role == "callboard" else url.set(username=role, password="x")
    try:
        migrate(url.render_as_string(hide_password=False))
        migrate(url.render_as_string(hide_password=False))
        engine = create_engine(postgres.url(name))
        with engine.connect() as connection:
            exists = "SELECT to_regproc('callboard.submit') IS NOT NULL, to_regclass('public.jobs') IS NOT NULL"
            assert connection.execute(text(exists)).one() == (has_short_name, schema == "")
            if has_short_name:
                with pytest.raises(DBAPIError, match="no worker has registered"):
                    connection.execute(text("SELECT callboard.submit('add')"))
        engine.dispose()
    finally:
        get_settings.cache_clear()
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
        if role != "callboard":
            postgres.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("queue", name) for name in ("bad name!", "1x", "ü")),
        *((name, value) for name in ("eta", "expires", "keep_until") for value in ("10000-01-01", "294000-01-01")),
        *(("eta", value) for value in ("infinity", "-infinity", "0044-03-15 BC")),
        *(("delay", value) for value in (1e12, "100000 years", "-5000 years")),
    ],
)
def test_a_queue_or_a_time_that_no_job_can_have_is_refused_at_the_call(database: Database, option: str, value: Any) -> None:
    assert f"request.{option}: " in refused(database, "sql_sum", {"kwargs": {"x": 1}, option: value})


@pytest.mark.parametrize(
    "options", [{"queue": "mail.DQ"}, {"unique_key": "k", "unique_for": "soon"}, {"unique_key": "k", "unique_for": 1e300}], ids=str
)
def test_a_request_with_an_option_that_only_the_code_refuses_is_held_and_can_be_released(
    inline: Inline, database: Database, options: dict[str, Any]
) -> None:
    id = submitted(database, "sql_sum", {"kwargs": {"x": 1}, **options})
    Relay().run_once()

    job = look(database, id)
    assert (job.state, job.kwargs) == (State.HELD, {"x": 1})
    assert str(job.reason).startswith("this request by SQL cannot become a job: ")
    with database.write() as session:
        actions.release(session, id)
    inline.run_all()
    assert look(database, id).result == 11


def test_a_whole_number_with_a_fraction_of_zero_is_a_priority(inline: Inline, database: Database) -> None:
    id = submitted(database, "sql_sum", {"kwargs": {"x": 1}, "priority": 9.0})
    Relay().run_once()
    assert look(database, id).priority == 9


def test_requests_that_python_cannot_read_are_held_and_stop_no_other(inline: Inline, database: Database) -> None:
    few = Broker()
    few.actors = {"sql_sum": dramatiq.get_broker().actors["sql_sum"]}
    with database.engine.begin() as connection:
        numbers = text("""SELECT callboard_submit('sql_sum', '{"kwargs": {"x": 1e5000}}')""")
        lists = text("""SELECT callboard_submit('sql_sum', jsonb_build_object('kwargs', jsonb_build_object('x', 1)))""")
        bad = [str(connection.execute(numbers).scalar_one()), str(connection.execute(lists).scalar_one())]
        deep = "[" * 1_200 + "]" * 1_200
        connection.execute(
            text("UPDATE sql_requests SET request = :request WHERE id = :id"), {"request": f'{{"kwargs": {deep}}}', "id": bad[1]}
        )
    good = submitted(database, "sql_sum", {"kwargs": {"x": 1}})

    assert SqlDoor().submit(few) == 3

    for id in bad:
        job = look(database, id)
        assert (job.state, job.held_for) == (State.HELD, HeldFor.UNREADABLE)
        assert str(job.reason).startswith("not a request that can become a job: ")
    assert look(database, good).state is State.QUEUED
