"""pg_dump and psql get the database's password by the environment: other users can read command lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.backup import postgresql
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
