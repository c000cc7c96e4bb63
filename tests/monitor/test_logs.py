# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Logs of a run: rollouts and history, also after a kill and a resume."""

from pathlib import Path

import pytest

from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.monitor.history import append_history
from arctic_text2sql_r1.monitor.history import read_history
from arctic_text2sql_r1.monitor.rollouts import RolloutLog
from arctic_text2sql_r1.monitor.rollouts import RolloutRecord
from arctic_text2sql_r1.monitor.rollouts import read_rollouts


def record(step: int) -> RolloutRecord:
    return RolloutRecord(
        step=step,
        rank=0,
        example_id="dev-0",
        db_id="pets",
        question="Wie heißt sie?",
        completion="<think></think>",
        prediction=None,
        problem="no_answer",
        status=None,
        gold_status="ok",
        reward=0.0,
        advantage=-0.5,
        length=4,
        truncated=True,
        components=dict(execution=0.0),
    )


def test_rollouts_read_back_as_they_were_appended(tmp_path: Path) -> None:
    log = RolloutLog(tmp_path / "run" / "rollouts.jsonl")
    log.append([record(1), record(1)])
    log.append([record(2)])
    assert read_rollouts(log.path) == [record(1), record(1), record(2)]


def test_a_rollout_log_cut_by_a_kill_reads_and_goes_on(tmp_path: Path) -> None:
    log = RolloutLog(tmp_path / "rollouts.jsonl")
    log.append([record(1), record(2)])
    log.path.write_bytes(log.path.read_bytes()[:-20])
    assert read_rollouts(log.path) == [record(1)]
    RolloutLog(log.path).append([record(3)])
    assert read_rollouts(log.path) == [record(1), record(3)]


def test_a_missing_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Cannot read the log .*absent"):
        read_rollouts(tmp_path / "absent.jsonl")


def test_a_step_repeated_after_a_resume_counts_once_and_last(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for step, reward in [(1, 0.1), (2, 0.2), (3, 0.3), (2, 0.25)]:
        append_history(path, dict(step=step, reward_mean=reward))
    assert [row["reward_mean"] for row in read_history(path)] == [0.1, 0.25, 0.3]


def test_history_refuses_metrics_without_a_step(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no 'step'. Found: loss"):
        append_history(tmp_path / "history.jsonl", dict(loss=1.0))
