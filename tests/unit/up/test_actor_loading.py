"""Actors that cannot be loaded: the failing line of a team's package that is installed, as Callboard itself may be."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from src import actors
from src.up.errors import UpError
from src.up.parts.actor_loading import loading


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import no_such_module\n", "  import no_such_module"),
        ("from installed_dependency import fails\n", "  from installed_dependency import fails"),
    ],
)
def test_a_failing_line_among_installed_packages_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: str) -> None:
    shop = tmp_path / f"shop_of_{tmp_path.name}"
    shop.mkdir()
    (shop / "__init__.py").touch()
    (shop / "jobs.py").write_text("from . import orders\n")
    (shop / "orders.py").write_text(text)
    (tmp_path / "installed_dependency.py").write_text("raise ValueError('why')\n")
    monkeypatch.syspath_prepend(tmp_path)
    usual = sysconfig.get_path
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path) if name == "purelib" else usual(name))

    with pytest.raises(UpError) as raised, loading():
        actors._import(f"{shop.name}.jobs")

    assert f"    at {shop}/orders.py:1{line}" in str(raised.value)
