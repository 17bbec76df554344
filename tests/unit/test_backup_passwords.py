"""pg_dump and psql get the database's passwords by the environment or a file: other users can read command lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.backup import postgresql
from src.backup.errors import BackupError
from src.configuration.database_url import parse


@pytest.mark.parametrize("url", ["postgresql://user:word@host/db", "postgresql://user@host/db?password=word"])
def test_a_program_gets_the_password_wherever_the_url_has_it(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "program"
    told.write_text('#!/bin/sh\necho "$PGPASSWORD $*"\n')
    told.chmod(0o700)
    monkeypatch.setattr(postgresql, "program", lambda _name: str(told))
    parsed = parse(url)
    said = postgresql._run("pg_dump", [f"--dbname={postgresql._name(parsed)}"], parsed)
    password, _, arguments = said.partition(" ")
    assert password == "word"
    assert "word" not in arguments


def test_a_program_gets_the_password_of_a_tls_key_in_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "program"
    told.write_text('#!/bin/sh\nstat -c %a "$PGSERVICEFILE"; cat "$PGSERVICEFILE"; echo "$PGSERVICEFILE"; echo "$PGSERVICE $*"\n')
    told.chmod(0o700)
    monkeypatch.setattr(postgresql, "program", lambda _name: str(told))
    url = parse("postgresql://user@host/db?sslkey=/key.pem&sslpassword=a%20%23word")

    mode, *options, file, arguments = postgresql._run("psql", [f"--dbname={postgresql._name(url)}"], url).splitlines()

    assert (mode, options) == ("600", ["[callboard]", "sslpassword=a #word"])
    assert arguments.startswith("callboard --dbname=")
    assert "sslkey=/key.pem" in arguments
    assert "word" not in arguments
    assert not Path(file).exists()


def test_a_service_of_the_url_cannot_be_completed_by_a_second_one() -> None:
    url = parse("postgresql://user@host/db?service=mine&sslpassword=word")
    with pytest.raises(BackupError, match="Move sslpassword into the service file"):
        postgresql._run("psql", [f"--dbname={postgresql._name(url)}"], url)
