# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The answer reward on the standing rows, near numbers, and right results against wrong ones."""

from collections.abc import Callable

import pytest

from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.rewards.base import WeightedReward
from arctic_text2sql_r1.rewards.scorer import RewardScorer
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion

Score = Callable[..., list[ScoredCompletion]]
ANSWER = WeightedReward("answer_match")
STRICT = {
    "empty": -1.0,
    "prose": -1.0,
    "malformed tags": -1.0,
    "two answers": -1.0,
    "answer before thought": -1.0,
    "SQL only in the thought": -1.0,
    "empty answer": -1.0,
    "text after": -1.0,
    "syntax error": -1.0,
    "schema error": -1.0,
    "no result set": -1.0,
    "denied": -1.0,
    "two statements": -1.0,
    "wrong": -0.5,
    "no rows": -0.5,
    "equivalent": 1.5,
    "gold itself": 3.0,
}
LENIENT = STRICT | {"two answers": 3.0, "text after": 3.0}


@pytest.mark.parametrize(("parser", "want"), [("strict", STRICT), ("lenient", LENIENT)])
def test_reward_of_standing_rows(
    parser: str, want: dict[str, float], standing_scores: Callable[[str, str], dict[str, float]]
) -> None:
    assert standing_scores("answer_match", parser) == want


@pytest.mark.parametrize(
    ("sql", "want"),
    [
        ("SELECT name FROM item", 3.0),
        ("SELECT name FROM item;", 1.5),
        (" SELECT name FROM item", 1.5),
        ("select NAME\n  from item -- all", 1.5),
        ("SELECT x.name FROM item x", 1.5),
    ],
)
def test_right_result_earns_more_for_the_text_of_gold(sql: str, want: float, score_sql: Score) -> None:
    assert score_sql(ANSWER, [sql])[0].reward == want


def test_blank_space_around_gold_is_not_held_against_the_policy(score_texts: Score) -> None:
    text = "<think>x</think><answer>SELECT name FROM item</answer>"
    assert score_texts(ANSWER, [text], gold=" SELECT name FROM item\n")[0].reward == 3.0


@pytest.mark.parametrize(
    ("gold", "number", "want"),
    [
        ("10", "10.0", 1.5),
        ("10", "11", 0.5),
        ("10", "9.0", 0.5),
        ("10", "11.1", 0.25),
        ("10", "12", 0.25),
        ("10", "8", 0.25),
        ("10", "12.1", -1.0),
        ("10", "7.9", -1.0),
        ("10", "-10", -1.0),
        ("-10", "-11", 0.5),
        ("0", "1", -1.0),
        ("10", "9e999", -1.0),  # infinite
        ("9e999", "-9e999", -1.0),
        ("10", "'11'", -0.5),
        ("'11'", "11", -0.5),
        ("10", "NULL", -0.5),
        ("10", "11, 11", -0.5),
        ("10", "11 UNION SELECT 12", -0.5),
        ("10", "11 WHERE 0", -0.5),
        ("10, 10", "11", -0.5),
    ],
)
def test_reward_of_numbers(gold: str, number: str, want: float, score_sql: Score) -> None:
    assert score_sql(ANSWER, [f"SELECT {number}"], gold=f"SELECT {gold}")[0].reward == want


def test_no_wrong_result_outscores_a_right_one(score_sql: Score) -> None:
    gold = "SELECT count(*) FROM item"
    right = score_sql(ANSWER, ["SELECT count(name) FROM item", "SELECT 3"], gold=gold)
    wrong = score_sql(ANSWER, ["SELECT 3.0001", "SELECT count(*) + 0.1 FROM item", "SELECT '3'"], gold=gold)
    assert min(one.reward for one in right) > max(one.reward for one in wrong)


@pytest.mark.parametrize("sql", ["", "pens", "DELETE FROM item", "SELECT title FROM item"])
def test_bare_statement_that_does_not_run_is_penalised(sql: str, score_sql: Score) -> None:
    assert score_sql(ANSWER, [sql])[0].reward == -1.0


def test_prefilled_thought_earns_the_full_reward(score_texts: Score) -> None:
    assert score_texts(ANSWER, ["x</think><answer>SELECT name FROM item</answer>"], prefill="<think>")[0].reward == 3


def test_answer_match_has_no_caution_and_no_options(judge: SQLJudge) -> None:
    assert RewardScorer(judge, [ANSWER]).cautions == []
    with pytest.raises(ValueError, match="'answer_match' has no option 'near'"):
        RewardScorer(judge, [WeightedReward("answer_match", options=dict(near=1.0))])
