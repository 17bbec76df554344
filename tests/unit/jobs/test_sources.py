"""Sources of jobs: every word that the code writes can be searched."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from src.jobs.core.states import Source
from tests.harness import ROOT


def written() -> Iterator[tuple[str, str]]:
    """Yield the file and word of each `source=` that is a literal."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        source = path.read_text()
        for node in ast.walk(ast.parse(source)) if "source=" in source or '"source":' in source else ():
            if isinstance(node, ast.keyword) and node.arg == "source" and isinstance(node.value, ast.Constant):
                yield str(path.relative_to(ROOT)), str(node.value.value)
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if (
                        isinstance(key, ast.Constant)
                        and key.value == "source"
                        and isinstance(value, ast.Constant)
                        and str(value.value).islower()
                    ):
                        yield str(path.relative_to(ROOT)), str(value.value)


def test_every_written_source_is_known() -> None:
    found = list(written())

    assert len(found) > 10
    assert [(path, word) for path, word in found if word not in tuple(Source)] == []


def test_every_source_is_in_the_reference() -> None:
    text = (ROOT / "docs/reference/finding-jobs.md").read_text()

    assert ", ".join(Source) in text
