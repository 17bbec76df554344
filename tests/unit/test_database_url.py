"""URLs of databases: PostgreSQL's spellings of several hosts, and paths of SQLite files as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from src.configuration.database_url import conninfo, parse
from src.settings import Settings, of_file

WRITES = {"target_session_attrs": "read-write"}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("postgresql://u:p@h/db", {"user": "u", "host": "h", "dbname": "db"}),
        ("postgres://u@h:5433/db", {"user": "u", "host": "h", "port": "5433", "dbname": "db"}),
        ("postgresql+psycopg2://u@h/db?sslmode=require", {"user": "u", "host": "h", "dbname": "db", "sslmode": "require"}),
        (
            "postgresql://u@h1:1,h2:2/db?target_session_attrs=any",
            {"user": "u", "host": "h1,h2", "port": "1,2", "dbname": "db", "target_session_attrs": "any"},
        ),
        ("postgresql://u:a%40b@h1,h2:2/db", {"user": "u", "host": "h1,h2", "port": ",2", "dbname": "db", **WRITES}),
        ("postgresql://u@[::1]:5,h2:7/db", {"user": "u", "host": "::1,h2", "port": "5,7", "dbname": "db", **WRITES}),
        ("postgresql://u@/db?host=h1:1&host=h2:2", {"user": "u", "host": "h1,h2", "port": "1,2", "dbname": "db", **WRITES}),
        ("postgresql://u@/db?host=h1,h2&port=1,2", {"user": "u", "host": "h1,h2", "port": "1,2", "dbname": "db", **WRITES}),
        ("POSTGRES://u@h/db", {"user": "u", "host": "h", "dbname": "db"}),
        ("postgis://u@h/db", {"user": "u", "host": "h", "dbname": "db"}),
        ("psql://u@h/db", {"user": "u", "host": "h", "dbname": "db"}),
        ("postgres://u@h/db?ssl=true", {"user": "u", "host": "h", "dbname": "db", "sslmode": "require"}),
        ("postgresql+asyncpg://u@h/db?ssl=verify-full", {"user": "u", "host": "h", "dbname": "db", "sslmode": "verify-full"}),
        ("postgresql://u@%2Frun%2Fpostgresql/db", {"user": "u", "host": "/run/postgresql", "dbname": "db"}),
        ("postgresql:///db?host=/run/postgresql", {"host": "/run/postgresql", "dbname": "db"}),
    ],
)
def test_every_spelling_of_a_server_is_understood(text: str, meant: dict[str, str]) -> None:
    url = parse(text)

    assert conninfo(url) == meant
    assert conninfo(parse(url.render_as_string(hide_password=False))) == meant
    assert url.password in (None, "p", "a@b")


@pytest.mark.parametrize(
    "text",
    [
        "mysql://u@h/db",
        "h:5432/db",
        "",
        "postgresql://u@h:port/db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "postgresql://u@h1:x,h2/db",
        "redis://h",
    ],
)
def test_anything_else_is_refused_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match="must be postgresql://USER:PASSWORD@HOST:5432/DATABASE"):
        parse(text)


def test_a_driver_of_another_program_does_not_matter_for_sqlite() -> None:
    assert parse("sqlite+aiosqlite:////srv/jobs.db") == make_url("sqlite:////srv/jobs.db")


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%25b", "a%b", "a b", "a'b\"c", "ü&\U0001f3ad", "a@b:c;d,e=f", "a+b"])
def test_a_path_of_a_file_comes_back_as_it_is(name: str) -> None:
    path = Path("/tmp") / name / "callboard.db"

    assert parse(of_file(path)).database == str(path)
    assert make_url(of_file(path)).database == str(path)
    assert parse(Settings(data_dir=path.parent).effective_database_url).database == str(path)


def test_an_at_sign_behind_the_host_belongs_to_no_password() -> None:
    url = parse("postgresql://user:word@host/data@base?application_name=shop@office")
    assert (url.username, url.password, url.host, url.database) == ("user", "word", "host", "data@base")
    assert url.query["application_name"] == "shop@office"
