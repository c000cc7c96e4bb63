# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Step metrics counted by hand, the console line, and the alarms."""

import pytest

from arctic_text2sql_r1.monitor.alarms import Alarms
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
            "truncation_rate": 1 / 6,
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
    paid = count_step([completion(1)], [RUNS], rewards=[1.0], group_ids=[0])
    assert (paid.right, paid.runs, paid.wrong) == (0, 1, 0)


def test_a_prediction_whose_worker_died_is_in_no_tier() -> None:
    died = Verdict(
        prediction="SELECT 1", result=ExecutionResult(status=ExecutionStatus.WORKER_DIED), gold=OK, correct=False
    )
    step = count_step([completion(1)] * 2, [RIGHT, died], rewards=[1.0, None], group_ids=[0, 0])
    assert (step.right, step.wrong, step.statuses) == (1, 0, dict(ok=1, worker_died=1))


def test_merging_two_ranks_gives_the_metrics_of_all_rows() -> None:
    left = count_step([completion(4), completion(6)], [RIGHT, RUNS], [1.0, 0.1], ["a", "a"], [("no_from",)])
    right = count_step(
        [completion(8, truncated=True), completion(2), *[completion(10)] * 2],
        [SLOW, NO_SQL, NO_GOLD, NO_GOLD],
        rewards=[0.0, 0.0, None, None],
        group_ids=["b", "b", "c", "c"],
        suspicions=[(), ("constant_select",)],
    )
    assert left.merge(right) == counts()


def test_interleaved_groups_are_told_apart_by_id() -> None:
    mixed = count_step([completion(1)] * 4, [RIGHT, NO_SQL, RIGHT, NO_SQL], [1.0, 0.0, 1.0, 0.0], ["a", "b", "a", "b"])
    assert (mixed.groups, mixed.equal_groups) == (2, 2)


def test_sequences_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        count_step([completion(1)], [RIGHT, RUNS], rewards=[1.0, 0.1], group_ids=[0, 0])


def test_a_step_without_rows_has_no_shares() -> None:
    assert step_metrics(StepCounts()) == dict(completion_length_max=0, gold_failed=0)


def test_the_longest_line_fits_160_columns() -> None:
    metrics = dict.fromkeys(METRICS, 0.12345)
    metrics.update(step=9998, completion_length_mean=2048, tokens_per_s=12345, entropy=11.93, reward_mean=-0.123)
    metrics.update(seconds_generate=123.4, seconds_reward=12.3, seconds_train=234.5, kl=0.00012345, reward_1=1.0)
    line = format_step_line(metrics, total_steps=9999)
    assert line.startswith("step 9998/9999 | reward -0.123 1/.1/0 100/12/12% eq 12% | kl 0.00012 clip 12.3%")
    assert len(line) <= 160


def test_absent_metrics_are_left_out_of_the_line() -> None:
    assert format_step_line(dict(step=3, kl=0.5)) == "step 3 | kl 0.5"


def test_truncation_sounds_once_when_it_begins_and_again_after_a_pause() -> None:
    alarms = Alarms(repeat_steps=3)
    rates = [0.15, 0.16, 0.5, 0.5, 0.5, 0.1, 0.2]
    sounded = [len(alarms.check(dict(truncation_rate=rate, equal_groups=0.0))) for rate in rates]
    assert sounded == [0, 1, 0, 0, 1, 0, 1]
    assert "Raise max_new_tokens" in Alarms().check(dict(truncation_rate=0.4, equal_groups=0.0))[0]


def test_no_spread_sounds_only_after_consecutive_steps() -> None:
    alarms = Alarms(no_spread_steps=3)
    shares = [1.0, 1.0, 0.9, 1.0, 1.0, 1.0]
    sounded = [alarms.check(dict(equal_groups=share, reward_mean=0.0)) for share in shares]
    assert [len(texts) for texts in sounded] == [0, 0, 0, 0, 0, 1]
    assert "for 3 steps in a row" in sounded[-1][0]
    assert "num_samples_per_prompt" in sounded[-1][0]


def test_steps_in_which_no_gold_ran_count_as_without_spread() -> None:
    assert len(Alarms(no_spread_steps=1).check({})) == 1


def test_no_spread_because_all_is_right_asks_for_harder_questions() -> None:
    texts = Alarms(no_spread_steps=1).check(dict(equal_groups=1.0, reward_1=1.0, reward_mean=1.0))
    assert "harder questions" in texts[0]
