# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Step metrics counted by hand, and the console line."""

import pytest

from arctic_text2sql_r1.monitor.step_report import METRICS
from arctic_text2sql_r1.monitor.step_report import StepCounts
from arctic_text2sql_r1.monitor.step_report import count_step
from arctic_text2sql_r1.monitor.step_report import format_step_line
from arctic_text2sql_r1.monitor.step_report import step_metrics
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus
from arctic_text2sql_r1.types import Verdict

OK = ExecutionResult(status=ExecutionStatus.OK)
RIGHT = Verdict(prediction="SELECT 1", result=OK, gold=OK, correct=True)
RUNS = Verdict(prediction="SELECT 2", result=OK, gold=OK, correct=False)
SLOW = Verdict(prediction="SELECT 3", result=ExecutionResult(status=ExecutionStatus.TIMEOUT), gold=OK, correct=False)
NO_SQL = Verdict(prediction=None, result=None, gold=OK, correct=False)
NO_GOLD = Verdict(prediction="SELECT 1", result=OK, gold=ExecutionResult(status=ExecutionStatus.TIMEOUT), correct=None)


def completion(length: int, truncated: bool = False) -> Completion:
    return Completion(text="", token_ids=tuple(range(length)), truncated=truncated)


def counts() -> StepCounts:
    # group a: rewards 1, 0.1 (spread); group b: 0, 0 (equal); group c: gold failed for both (no group)
    return count_step(
        completions=[
            completion(4),
            completion(6),
            completion(8, truncated=True),
            completion(2),
            *[completion(10)] * 2,
        ],
        verdicts=[RIGHT, RUNS, SLOW, NO_SQL, NO_GOLD, NO_GOLD],
        rewards=[1.0, 0.1, 0.0, 0.0, None, None],
        group_ids=["a", "a", "b", "b", "c", "c"],
        keep=[True, True, False, False, False, False],
        suspicions=[("no_from", "constant_select"), ()],
    )


def test_metrics_equal_those_counted_by_hand() -> None:
    metrics = step_metrics(counts())
    assert metrics == pytest.approx(
        {
            "reward_mean": 1.1 / 4,
            "reward_1": 1 / 4,
            "reward_0.1": 1 / 4,
            "reward_0": 2 / 4,
            "equal_groups": 1 / 2,
            "too_easy": 0,
            "too_hard": 1,
            "truncation_rate": 1 / 6,
            "repetition": 0.0,
            "completion_length_mean": 40 / 6,
            "completion_length_max": 10,
            "gold_failed": 2,
            "status_ok": 4,
            "status_timeout": 1,
            "status_no_sql": 1,
            "suspicious_constant_select": 1,
            "suspicious_no_from": 1,
        }
    )


def test_tiers_follow_the_verdict_whatever_the_reward_pays() -> None:
    paid = count_step([completion(1)], [RUNS], rewards=[1.0], group_ids=[0], keep=[False])
    assert (paid.right, paid.runs, paid.wrong) == (0, 1, 0)


def test_a_prediction_whose_worker_died_is_in_no_tier() -> None:
    died = Verdict(
        prediction="SELECT 1", result=ExecutionResult(status=ExecutionStatus.WORKER_DIED), gold=OK, correct=False
    )
    step = count_step([completion(1)] * 2, [RIGHT, died], rewards=[1.0, None], group_ids=[0, 0], keep=[False] * 2)
    assert (step.right, step.wrong, step.statuses) == (1, 0, dict(ok=1, worker_died=1))


def test_merging_two_ranks_gives_the_metrics_of_all_rows() -> None:
    left = count_step(
        [completion(4), completion(6)], [RIGHT, RUNS], [1.0, 0.1], ["a", "a"], [True, True], [("no_from",)]
    )
    right = count_step(
        [completion(8, truncated=True), completion(2), *[completion(10)] * 2],
        [SLOW, NO_SQL, NO_GOLD, NO_GOLD],
        rewards=[0.0, 0.0, None, None],
        group_ids=["b", "b", "c", "c"],
        keep=[False] * 4,
        suspicions=[(), ("constant_select",)],
    )
    assert left.merge(right) == counts()


def test_interleaved_groups_are_told_apart_by_id() -> None:
    # group a: both right; b: neither; c: one right, and yet no spread in the rewards
    verdicts, rewards = [RIGHT, NO_SQL, RIGHT, NO_SQL, RIGHT, NO_SQL], [1.0, 0.0, 1.0, 0.0, 1.0, 1.0]
    mixed = count_step([completion(1)] * 6, verdicts, rewards, ["a", "b", "a", "b", "c", "c"], keep=[False] * 6)
    assert (mixed.groups, mixed.equal_groups, mixed.too_easy, mixed.too_hard) == (3, 3, 1, 2)


def test_sequences_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        count_step([completion(1)], [RIGHT, RUNS], rewards=[1.0, 0.1], group_ids=[0, 0], keep=[True] * 2)


def test_a_step_without_rows_has_no_shares() -> None:
    assert step_metrics(StepCounts()) == dict(completion_length_max=0, gold_failed=0, too_easy=0, too_hard=0)


def test_the_longest_line_fits_160_columns() -> None:
    metrics = dict.fromkeys(METRICS, 0.12345)
    metrics.update(step=9998, completion_length_mean=2048, tokens_per_s=12345, entropy=11.93, reward_mean=-0.123)
    metrics.update(seconds_generate=123.4, seconds_reward=12.3, seconds_train=234.5, kl=0.00012345, reward_1=1.0)
    line = format_step_line(metrics, total_steps=9999)
    assert line.startswith("step 9998/9999 | reward -0.123 1/.1/0 100/12/12% eq 12% | kl 0.00012 clip 12.3%")
    assert len(line) <= 160


def test_absent_metrics_are_left_out_of_the_line() -> None:
    assert format_step_line(dict(step=3, kl=0.5)) == "step 3 | kl 0.5"


LOOPS = {
    "one token": ([7] * 30, True),
    "a sentence": (list(range(9)) * 4, True),
    "no loop": (list(range(40)), False),
    "said twice": (list(range(20)) * 2, False),
    "too short to tell": ([7] * 15, False),
    "empty": ([], False),
}


@pytest.mark.parametrize("case", LOOPS)
def test_a_completion_that_goes_round_in_a_loop_is_counted(case: str) -> None:
    token_ids, expected = LOOPS[case]
    looping = Completion(text="", token_ids=tuple(token_ids))
    step = count_step([looping], [RIGHT], rewards=[1.0], group_ids=[0], keep=[False])
    assert step_metrics(step)["repetition"] == float(expected)
