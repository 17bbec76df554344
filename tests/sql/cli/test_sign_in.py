"""`./run sign-in` prints a link that a browser can open."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.up.data.data_folder import Folder, State
from tests.sql.cli.conftest import Terminal


@pytest.mark.parametrize(
    ("words", "environment", "url", "wanted"),
    [
        ((), {}, "", "http://127.0.0.1:8000/"),
        ((), {"CALLBOARD_HOST": "0.0.0.0", "CALLBOARD_PORT": "8123"}, "", "http://127.0.0.1:8123/"),
        ((), {}, "http://127.0.0.1:8001", "http://127.0.0.1:8001/"),
        ((), {"CALLBOARD_PUBLIC_URL": "https://jobs.example.com/"}, "http://127.0.0.1:8001", "https://jobs.example.com/"),
        (("--url", "https://other.example.com"), {"CALLBOARD_PUBLIC_URL": "https://jobs.example.com"}, "", "https://other.example.com/"),
    ],
)
def test_the_link_leads_to(
    terminal: Terminal, tmp_path: Path, words: tuple[str, ...], environment: dict[str, str], url: str, wanted: str
) -> None:
    terminal.environment |= environment
    Folder(tmp_path).write_state(State(url=url))
    link = terminal.run("sign-in", *words).splitlines()[-1]
    assert link.startswith(f"{wanted}sign-in/link?t="), link


@pytest.mark.parametrize(("url", "wanted"), [("http://127.0.0.1:8001", "http://127.0.0.1:8001/"), ("", "http://127.0.0.1:8000/")])
def test_the_link_of_a_folder_with_its_own_variables_leads_to_its_own_web(
    terminal: Terminal, tmp_path: Path, url: str, wanted: str
) -> None:
    terminal.environment["CALLBOARD_PUBLIC_URL"] = "https://jobs.example.com/"
    folder = Folder(tmp_path)
    folder.keep_variables({"CALLBOARD_METRICS_PORT": "0"})
    folder.write_state(State(url=url))
    link = terminal.run("sign-in").splitlines()[-1]
    assert link.startswith(f"{wanted}sign-in/link?t="), link
