# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Folders of runs on a real disk: what a kill leaves, what a copy breaks, which steps stay."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.run_folders import MANIFEST
from arctic_text2sql_r1.run_folders import TRAINING_RECORD
from arctic_text2sql_r1.run_folders import Best
from arctic_text2sql_r1.run_folders import RunFolder
from arctic_text2sql_r1.run_folders import digest
from arctic_text2sql_r1.run_folders import files_below
from arctic_text2sql_r1.run_folders import first_fault
from arctic_text2sql_r1.run_folders import new_run
from arctic_text2sql_r1.run_folders import newest_run
from arctic_text2sql_r1.run_folders import read_manifest

SAVE_FOREVER = """
import sys
from pathlib import Path
from tests.test_run_folders import save
from arctic_text2sql_r1.run_folders import RunFolder

for step in range(1, 100_000):
    save(RunFolder(Path(sys.argv[1])), step, accuracy=0.5, size=300_000)
    print(step, flush=True)
"""


def save(run: RunFolder, step: int, accuracy: float | None = None, size: int = 1000, keep_last: int = 2) -> None:
    """One checkpoint, as the engine writes it."""
    folder = run.begin(step)
    (folder / "resume").mkdir()
    (folder / "resume" / "shard.pt").write_bytes(bytes(size))
    (folder / TRAINING_RECORD).write_text(json.dumps(dict(execution_accuracy=accuracy)))
    run.finish(step, {name: digest(folder / name, flush=True) for name in files_below(folder)})
    run.point_links()
    run.delete_old(keep_last)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return new_run(tmp_path / "output")


def test_a_step_has_its_name_only_when_it_is_whole(run: RunFolder) -> None:
    scratch = run.begin(3)
    assert (run.steps(), scratch.is_dir()) == ([], True)
    run.sweep()
    assert not scratch.exists()
    save(run, 3)
    assert run.steps() == [3]


def test_runs_are_numbered_without_gaps_being_filled(tmp_path: Path) -> None:
    assert newest_run(tmp_path) is None
    (tmp_path / "run_9").mkdir()
    assert new_run(tmp_path).path.name == "run_10"
    newest = newest_run(tmp_path)
    assert newest is not None and newest.path.name == "run_10", "by number, not by letter"


def test_the_best_step_is_the_earliest_of_equals_and_none_without_evaluation(run: RunFolder) -> None:
    save(run, 2)
    assert run.best() is None and not (run.path / "best").exists()
    for step, accuracy in ((4, 0.25), (6, 0.5), (8, 0.5), (10, 0.0)):
        save(run, step, accuracy, keep_last=9)
    assert run.best() == Best(step=6, accuracy=0.5)
    assert ((run.path / "best").resolve().name, (run.path / "last").resolve().name) == ("step_000006", "step_000010")


def test_old_steps_go_but_never_the_best(run: RunFolder) -> None:
    for step, accuracy in ((1, 0.9), (2, 0.1), (3, 0.2), (4, None)):
        save(run, step, accuracy, keep_last=2)
    assert run.steps() == [1, 3, 4]
    assert sorted(path.name for path in run.path.iterdir()) == [
        *("best", "last"),
        *(f"step_00000{step}" for step in (1, 3, 4)),
    ]


def test_links_survive_a_move_and_replace_the_folders_that_a_copy_made_of_them(run: RunFolder) -> None:
    save(run, 1, accuracy=0.5)
    moved = RunFolder(run.path.rename(run.path.with_name("run_7")))
    assert (moved.path / "best" / MANIFEST).is_file()
    (moved.path / "last").unlink()
    (moved.path / "last").mkdir()
    save(moved, 2)
    assert (moved.path / "last").resolve().name == "step_000002"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (cut, "'resume/shard.pt' has 999 bytes, expected 1000"),
        (Path.unlink, "'resume/shard.pt' is missing, expected 1000 bytes"),
        (flip_a_bit, "'resume/shard.pt' has SHA-256 [0-9a-f]{12}, expected 541b3e9daa09"),
    ],
)
def test_the_manifest_finds_what_is_wrong(run: RunFolder, harm: Callable[[Path], None], told: str) -> None:
    save(run, 1)
    folder = run.step_folder(1)
    expected = read_manifest(folder)
    assert first_fault(folder, expected) is None
    harm(folder / "resume" / "shard.pt")
    fault = first_fault(folder, expected)
    assert fault is not None
    with pytest.raises(ModelError, match=told):
        raise ModelError(fault)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}'])
def test_a_manifest_that_cannot_be_read_is_named(run: RunFolder, content: str) -> None:
    save(run, 1)
    (run.step_folder(1) / MANIFEST).write_text(content)
    with pytest.raises(ModelError, match="step_000001/manifest.json' is missing or unreadable"):
        read_manifest(run.step_folder(1))


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_only_whole_steps_under_their_names(tmp_path: Path) -> None:
    run, root = new_run(tmp_path), Path(__file__).resolve().parent.parent
    for attempt in range(8):
        command = [sys.executable, "-c", SAVE_FOREVER, str(run.path)]
        process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, start_new_session=True)
        assert process.stdout is not None and process.stdout.readline()
        time.sleep(0.013 * attempt)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert len(run.steps()) > 0
        for step in run.steps():
            assert first_fault(run.step_folder(step), read_manifest(run.step_folder(step))) is None
        assert (run.path / "last" / MANIFEST).is_file() and (run.path / "best" / MANIFEST).is_file()
        for step in run.steps():  # the next attempt counts from 1 again
            run.set_aside(step)
