# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The row-F1 reward on the standing rows and at its bounds."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.prompts.formats import ParsedCompletion
from arctic_text2sql_r1.rewards.base import RewardRecord
from arctic_text2sql_r1.rewards.base import WeightedReward
from arctic_text2sql_r1.rewards.f1 import f1
from arctic_text2sql_r1.rewards.scorer import RewardScorer
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample

Score = Callable[..., list[ScoredCompletion]]
F1 = WeightedReward("f1")
# gold: pen, ink, pen; wrong: pen, ink, so F1 = 2 x 2 / (2 + 3) = 0.8
STRICT = {
    "empty": -2.0,
    "prose": -1.0,
    "malformed tags": -1.0,
    "two answers": -1.0,
    "answer before thought": -1.0,
    "SQL only in the thought": -1.0,
    "empty answer": -2.0,
    "text after": -1.0,
    "syntax error": -1.0,
    "schema error": -1.0,
    "no result set": -1.0,
    "denied": -1.0,
    "two statements": -1.0,
    "wrong": 4.0,
    "no rows": 0.0,
    "equivalent": 5.0,
    "gold itself": 5.0,
}
LENIENT = STRICT | {"two answers": 5.0, "text after": 5.0}
NUMBERS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT {}) SELECT n FROM c"


@pytest.mark.parametrize(("parser", "want"), [("strict", STRICT), ("lenient", LENIENT)])
def test_reward_of_standing_rows(
    parser: str, want: dict[str, float], standing_scores: Callable[[str, str], dict[str, float]]
) -> None:
    assert standing_scores("f1", parser) == want


@pytest.mark.parametrize(
    ("gold", "sql", "want"),
    [
        ("SELECT name FROM item ORDER BY name", "SELECT name FROM item ORDER BY name DESC", 4.5),  # F1 is 1
        (NUMBERS.format(40), NUMBERS.format(39), 4.5),  # 5 x 78 / 79 = 4.94
        ("SELECT name FROM item", "SELECT 'pen'", 2.5),  # 2 x 1 / (1 + 3)
        ("SELECT name FROM item", "SELECT 'pen' UNION ALL SELECT 'pen' UNION ALL SELECT 'pen'", 5 * 4 / 6),
        ("SELECT name FROM item", "SELECT name, 1 FROM item", 0.0),
        ("SELECT name FROM item WHERE 0", "SELECT name, 1 FROM item WHERE 0", 0.0),  # two empty results, other width
        ("SELECT name FROM item WHERE 0", "SELECT 'x' WHERE 0", 5.0),
    ],
)
def test_reward_of_rows(gold: str, sql: str, want: float, score_sql: Score) -> None:
    assert score_sql(F1, [sql], gold=gold)[0].reward == pytest.approx(want)


@pytest.mark.parametrize(("sql", "want"), [("", -2.0), (" \n", -2.0), (";", -1.0), ("-- x", -1.0), ("pens", -1.0)])
def test_reward_of_bare_statement_that_yields_nothing(sql: str, want: float, score_sql: Score) -> None:
    assert score_sql(F1, [sql])[0].reward == want


def test_rows_that_were_not_compared_earn_nothing(score_sql: Score, example: Text2SQLExample) -> None:
    verdict = score_sql(F1, ["SELECT DISTINCT name FROM item"])[0].verdict
    verdict = replace(verdict, result=replace(verdict.result, overlap=None))
    assert f1(RewardRecord(example, Completion("x"), ParsedCompletion("x", None), verdict)).score == 0.0


def test_blank_prediction_counts_as_empty(score_sql: Score, example: Text2SQLExample) -> None:
    verdict = score_sql(F1, ["-- x"])[0].verdict
    assert f1(RewardRecord(example, Completion(" "), ParsedCompletion(" ", None), verdict)).score == -2.0


def test_row_f1_is_a_component(score_sql: Score) -> None:
    scored = score_sql(F1, ["SELECT DISTINCT name FROM item", "SELECT name FROM item", "SELECT"])
    assert [one.components["f1/row_f1"] for one in scored] == [0.8, 1.0, 0.0]


def test_prefilled_thought_earns_the_full_reward(score_texts: Score) -> None:
    assert score_texts(F1, ["x</think><answer>SELECT name FROM item</answer>"], prefill="<think>")[0].reward == 5.0
    assert score_texts(F1, [" "], prefill="<think>")[0].reward == -2.0


def test_f1_has_no_caution_and_no_options(judge: SQLJudge) -> None:
    assert RewardScorer(judge, [F1]).cautions == []
    with pytest.raises(ValueError, match="'f1' has no option 'bound'"):
        RewardScorer(judge, [WeightedReward("f1", options=dict(bound=1.0))])
