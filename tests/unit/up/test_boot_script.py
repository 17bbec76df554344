"""The boot script of the private node: kept while the installed modules stay, and never in the way of a start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from src.up.rabbitmq import boot_script

#: writes its first argument after -extra, and a line per call
ERL = '#!/bin/sh\necho called >> calls\nwhile [ "$1" != -extra ]; do shift; done\necho script > "$2"\n'


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    """RabbitMQ as a package installs it, with one plugin, beside an Erlang with one library."""
    for place in ("rabbitmq/sbin", "rabbitmq/plugins/rabbit-3.10.8/ebin", "erlang/bin", "erlang/lib/stdlib-4.2/ebin", "node/conf"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "node/conf/enabled_plugins").write_text("[rabbitmq_management].\n")
    _provide(tmp_path, ERL)
    return tmp_path / "rabbitmq/sbin/rabbitmq-server"


def _provide(folder: Path, erl: str) -> None:
    (folder / "erlang/bin/erl").write_text(erl)
    (folder / "erlang/bin/erl").chmod(0o755)


def _use(folder: Path, launcher: Path) -> str:
    """Return what a node of this folder would read."""
    boot_script.use(folder / "node", launcher, {"PATH": f"{folder / 'erlang/bin'}:{os.environ['PATH']}"})
    return (folder / "node" / boot_script.VARIABLES).read_text()


def _calls(folder: Path) -> int:
    return (folder / "node/calls").read_text().count("called")


def test_it_is_written_once_and_again_when_a_package_or_the_plugins_change(tmp_path: Path, launcher: Path) -> None:
    first = _use(tmp_path, launcher)
    assert first.startswith("SASL_BOOT_FILE=conf/modules-")
    assert (tmp_path / "node" / f"{first.strip().partition('=')[2]}.boot").read_text() == "script\n"
    assert (_use(tmp_path, launcher), _calls(tmp_path)) == (first, 1)

    os.utime(tmp_path / "rabbitmq/plugins/rabbit-3.10.8/ebin", ns=(1, 1))
    second = _use(tmp_path, launcher)
    assert (second != first, _calls(tmp_path)) == (True, 2)

    (tmp_path / "erlang/lib/ssl-10/ebin").mkdir(parents=True)
    third = _use(tmp_path, launcher)
    assert (third != second, _calls(tmp_path)) == (True, 3)

    (tmp_path / "node/conf/enabled_plugins").write_text("[].\n")
    assert (_use(tmp_path, launcher) != third, _calls(tmp_path)) == (True, 4)
    assert len(list((tmp_path / "node/conf").glob("modules-*"))) == 1


@pytest.mark.parametrize(
    "erl", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\nexit 0\n", "no program"], ids=["fails", "writes nothing", "not a program"]
)
def test_where_none_can_be_written_the_node_starts_as_it_does_by_itself(tmp_path: Path, launcher: Path, erl: str) -> None:
    _provide(tmp_path, erl)

    assert _use(tmp_path, launcher) == ""

    _provide(tmp_path, ERL)
    assert _use(tmp_path, launcher) != ""


def test_an_erlang_that_hangs_delays_the_start_for_a_moment_only(tmp_path: Path, launcher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _provide(tmp_path, "#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setattr(boot_script, "TIMEOUT_S", 0.2)

    assert _use(tmp_path, launcher) == ""


def test_a_node_whose_modules_are_elsewhere_starts_as_it_does_by_itself(tmp_path: Path, launcher: Path) -> None:
    assert _use(tmp_path, tmp_path / "bin" / "rabbitmq-server") == ""
