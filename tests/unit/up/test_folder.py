"""The data folder: one owner, its own ports, a state that is verified with the kernel."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from src.settings import Settings
from src.up.data import ports
from src.up.data.data_folder import Folder, PartRecord, State
from src.up.data.log_files import LARGEST, LogFile, last_lines, readable
from src.up.data.process_identity import identify
from src.up.errors import UpError
from src.up.parts import launch


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "data")
    made.prepare()
    return made


def test_a_folder_has_one_holder_at_a_time(folder: Folder) -> None:
    second = Folder(folder.path)

    assert folder.hold()
    assert not second.hold()
    folder.release()
    assert second.hold()
    second.release()


def test_the_state_survives_writing_and_is_for_this_user_only(folder: Folder) -> None:
    state = State(phase="ready", url="http://127.0.0.1:8000", parts=(PartRecord("web", "web", 1, "then", "running", 2),))

    folder.write_state(state)

    assert folder.read_state() == state
    assert stat.S_IMODE(folder.state_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_damaged_state_counts_as_none(folder: Folder) -> None:
    folder.state_file.write_text('{"phase": "rea')

    assert folder.read_state() == State()


@pytest.mark.parametrize("content", ["", '{"CALLBOARD_AC', "[]", "\xff"])
def test_damaged_variables_are_reported_with_the_cure(folder: Folder, content: str) -> None:
    path = folder.path / "variables.json"
    path.write_bytes(content.encode("latin-1"))

    with pytest.raises(UpError, match=rf"^{path} is damaged: .*\n.*rm {path}"):
        folder.variables()


def test_only_living_processes_of_the_state_count(folder: Folder) -> None:
    us = identify(os.getpid())
    assert us is not None
    living = PartRecord("web", "web", us.pid, us.started, "running", 0)
    replaced = PartRecord("worker", "worker-1", us.pid, "another process that had this pid", "running", 0)

    assert State(parts=(living, replaced)).alive == [living]


def test_a_folder_that_cannot_be_created_is_reported_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UpError, match="cannot be used") as caught:
        Folder(tmp_path / "file" / "data").prepare()

    assert "--data SOME/FOLDER" in str(caught.value)


def test_a_folder_in_whose_path_rabbitmq_cannot_start_has_it_elsewhere_for_this_user_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one, other, usual = Folder(tmp_path / "it's"), Folder(tmp_path / 'a "quoted"'), Folder(tmp_path / "a #?%25 b")
    one.prepare()

    assert one.broker.stat().st_mode & 0o777 == 0o700
    assert Folder(one.path).broker == one.broker
    assert len({one.broker, other.broker}) == 2
    assert not {"'", '"'} & set(f"{one.broker}{other.broker}")
    assert usual.broker.parent == usual.path
    one.broker.chmod(0o755)
    with pytest.raises(UpError, match="must be a folder that only you own"):
        one.prepare()


def test_two_folders_get_different_ports_and_keep_them(tmp_path: Path) -> None:
    one, two = Folder(tmp_path / "one"), Folder(tmp_path / "two")
    for made in (one, two):
        made.prepare()
    first = one.node_ports()
    one.remember_ports(first)

    assert one.node_ports() == first
    with socket.create_server(("127.0.0.1", first["amqp"])):
        assert one.node_ports()["amqp"] != first["amqp"]
    assert len(set(two.node_ports().values())) == 5


def test_an_asked_for_port_that_is_taken_names_its_holder_and_a_free_one(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(UpError) as caught:
            launch.listen(Settings(port=port), folder, exact=True)

    assert f"Port {port} on 127.0.0.1 is in use by process {os.getpid()}" in str(caught.value)
    assert "./run up --port" in str(caught.value)


def test_without_an_asked_for_port_the_next_free_one_serves(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with launch.listen(Settings(port=port), folder, exact=False) as listener:
            assert listener.getsockname()[1] != port


def test_ports_picked_together_differ() -> None:
    free = ports.anywhere(["one"])["one"]

    assert len(set(ports.pick({"one": free, "two": free, "three": free}).values())) == 3


def test_new_lines_of_a_log_come_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    log = LogFile(path)
    with open(path, "a") as file:
        file.write("first\nsec")
        file.flush()
        assert log.new_lines() == ["first"]
        file.write("ond\n")
        file.flush()
        assert log.new_lines() == ["second"]
        assert log.new_lines() == []


def test_a_full_log_is_moved_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    with open(path, "a") as writer:
        writer.write("x" * LARGEST + "\n")
        writer.flush()
        log = LogFile(path)
        log.rotate()
        writer.write("after\n")
        writer.flush()

        assert log.new_lines() == ["after"]
    assert (tmp_path / "web.log.1").stat().st_size == LARGEST + 1
    assert path.stat().st_size < 100


def test_a_json_event_reads_as_one_line(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.write_text('{"event": "attempt_failed", "level": "warning", "job_id": "j1", "timestamp": "2026-01-02T03:04:05Z"}\n\nplain\n')

    assert last_lines(path, 5) == ["03:04:05 WARNING attempt_failed job_id=j1", "plain"]
    assert readable("{not json") == "{not json"
