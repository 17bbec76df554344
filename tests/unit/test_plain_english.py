"""The check of words: it finds the banned openings and words, and leaves good text alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.plain_english import faults, passages, words_of


def found(text: str, name: str = "x.py") -> list[str]:
    """Return the faults of a file with this text."""
    path = Path(name)
    path.write_text(text)
    return [fault.found for passage in passages(path) for fault in faults(passage, words_of(name))]


@pytest.mark.parametrize(
    ("docstring", "bad"),
    [
        ("What a worker holds.", ["What"]),
        ("Who waits for the job.", ["Who"]),
        ("Is the job gone?", ["Is the job gone?"]),
        ("Return the job. Who waits is woken.", ["Who"]),
        ("A text that is no text.", ["is no text"]),
        ("The admin is told\n\n    of each failure by nobody.", ["told", "nobody"]),
        ("Return the job; there is no other.", []),
        ("Dead letters of a queue; names have letters and digits.", []),
        ("True if the job is gone.", []),
        ("Read `told` and `doubt`, which are names.", []),
    ],
)
def test_docstrings(docstring: str, bad: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert found(f'def f():\n    """{docstring}"""\n') == bad


def test_comments_templates_and_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "templates").mkdir()

    assert found("x = 1  # whoever comes first\n#: what is kept\ny = 2\n") == ["whoever", "what"]
    assert found("<p>{{ name }} was told.</p><h2>What happens next?</h2>", "templates/page.html") == ["told"]
    assert found("# What is kept\n\nThe row is kept.\n\n```\ntold\n```\n\n- Whoever asks\n", "page.md") == ["Whoever"]
