"""Imports without garbage collection restore the collector, and exempt the imported objects."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys

import pytest

from src.importing import OLD_ROUNDS, YOUNG_OBJECTS, collect_rarely, uncollected
from tests.harness import ROOT


@pytest.mark.parametrize("collects", [True, False])
def test_the_collector_is_as_it_was_also_when_an_import_fails(collects: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        with pytest.raises(ModuleNotFoundError), uncollected():
            importlib.import_module("nobody_has_this" if not gc.isenabled() else "gc")
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()


def test_a_block_without_imports_freezes_nothing() -> None:
    before = gc.get_freeze_count()
    with uncollected():
        pass
    assert gc.get_freeze_count() <= before


@pytest.mark.long
def test_a_process_that_has_imported_its_actors_has_collected_nothing_and_need_not_go_through_them() -> None:
    program = (
        "import gc; before = gc.get_stats()[2]['collections']; import src.actors;"
        "print(gc.get_stats()[2]['collections'] - before, gc.get_freeze_count() > 10 * gc.get_count()[0], gc.isenabled())"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    assert told.stdout.split() == ["0", "True", "True"]


def test_a_process_that_answers_requests_collects_rarely_unless_its_collector_is_off() -> None:
    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 10, 10)
        collect_rarely()
        assert gc.get_threshold() == (YOUNG_OBJECTS, 10, OLD_ROUNDS)
        gc.set_threshold(100_000, 10, 1_000)
        collect_rarely()
        assert gc.get_threshold() == (100_000, 10, 1_000)
        gc.set_threshold(0, 10, 10)
        collect_rarely()
        assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)
