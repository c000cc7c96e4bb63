# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The composite reward: the standing rows, each part, its bounds, and text made to stall the parser."""

import logging
import time
from collections.abc import Callable

import pytest

from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.prompts.formats import ParsedCompletion
from arctic_text2sql_r1.rewards.base import RewardOutput
from arctic_text2sql_r1.rewards.base import RewardRecord
from arctic_text2sql_r1.rewards.base import WeightedReward
from arctic_text2sql_r1.rewards.composite import composite
from arctic_text2sql_r1.rewards.scorer import RewardScorer
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus
from arctic_text2sql_r1.types import RowOverlap
from arctic_text2sql_r1.types import Text2SQLExample
from arctic_text2sql_r1.types import Verdict

Score = Callable[..., list[ScoredCompletion]]
COMPOSITE = WeightedReward("composite")
STRICT = {
    "empty": -0.62,  # 0.2 x -0.5 + 0.6 x -0.8 + 0.2 x -0.2
    "prose": -0.62,
    "malformed tags": -0.62,
    "two answers": -0.62,
    "answer before thought": -0.62,
    "SQL only in the thought": -0.62,
    "empty answer": -0.62,
    "text after": -0.62,
    "syntax error": -0.47,  # -0.1 - 0.48 + 0.2 x (3/4 - 0.2)
    "schema error": -0.2,  # 0.2 - 0.48 + 0.2 x (3/5 - 0.2)
    "no result set": -0.62,
    "denied": -0.34,  # 0.1 - 0.48 + 0.2 x (2/5 - 0.2)
    "two statements": -0.22,  # 0.1 - 0.48 + 0.2 x 0.8
    "wrong": 0.56,  # 0.2 + 0.6 x 0.5 x 0.8 + 0.2 x (4/5 - 0.2)
    "no rows": 0.293333,  # 0.2 + 0 + 0.2 x (4/6 - 0.2)
    "equivalent": 0.848889,  # 0.2 + 0.6 + 0.2 x (4/9 - 0.2)
    "gold itself": 0.96,  # 0.2 + 0.6 + 0.2 x 0.8
}
LENIENT = STRICT | {"two answers": 0.96, "text after": 0.96}
HOSTILE = {
    "dates": "SELECT " + "date(" * 40 + "1" + ")" * 40,
    "decimals": "SELECT " + "decimal(" * 40 + "1" + ")" * 40,
    "joins": "SELECT * FROM t " + "JOIN t " * 400,
    "parentheses": "SELECT " + "(" * 2000 + "1" + ")" * 2000,
    "open parentheses": "SELECT " + "(" * 4000,
    "subqueries": "SELECT * FROM (" * 300 + "SELECT 1" + ")" * 300,
    "functions": "SELECT " + "f(" * 1500,
    "casts": "SELECT " + "CAST(" * 400 + "1" + " AS int)" * 400,
    "cases": "SELECT " + "CASE WHEN " * 200 + "1" + " THEN 1 END" * 200,
    "open cases": "SELECT " + "CASE " * 900,
    "signs": "SELECT " + "- " * 2000 + "1",
    "negations": "SELECT " + "NOT " * 1000 + "1",
    "conjunctions": "SELECT 1 WHERE " + "a = 1 AND " * 450 + "1",
    "unions": "SELECT 1 UNION " * 300 + "SELECT 1",
    "statements": "SELECT 1;" * 500,
    "open literal": "SELECT '" + "x" * 4000,
    "open comment": "SELECT 1 " + "/*" * 2000,
    "open brackets": "SELECT " + "x[" * 2000,
    "wide": "SELECT " + "a," * 1_000_000 + "a",
    "long": "SELECT 1 FROM missing -- " + "x" * 1_000_000,
    "fault of the parser": "SELECT INTEGER EXISTS |> LIMIT VARIANT ON -> OPERATOR",
    "surrogate": "SELECT '\ud800'",
    "NUL": "SELECT 1 FROM missing \0",
}


def _part(scored: ScoredCompletion, name: str) -> float:
    return scored.components[f"composite/{name}"]


def _output(example: Text2SQLExample, sql: str, status: ExecutionStatus, **options: float) -> RewardOutput:
    """The reward of a wrong result that shares every row with gold, or of a statement that ended otherwise."""
    overlap = RowOverlap(common=3, distinct_common=2, distinct_prediction=2, distinct_gold=2)
    ok = ExecutionResult(ExecutionStatus.OK, row_count=3, overlap=overlap)
    result = ok if status is ExecutionStatus.OK else ExecutionResult(status)
    verdict = Verdict(prediction=sql, result=result, gold=ok, correct=False)
    return composite(RewardRecord(example, Completion(sql), ParsedCompletion(sql, None), verdict), **options)


@pytest.mark.parametrize(("parser", "want"), [("strict", STRICT), ("lenient", LENIENT)])
def test_reward_of_standing_rows(
    parser: str, want: dict[str, float], standing_scores: Callable[[str, str], dict[str, float]]
) -> None:
    assert standing_scores("composite", parser) == want


@pytest.mark.parametrize(
    ("sql", "want"),
    [
        ("SELECT name FROM item", 1.0),
        ("SELECT title FROM item", 1.0),
        ("WITH x AS (SELECT 1) SELECT * FROM missing", 1.0),
        ("VALUES (missing)", 1.0),
        ("SELECT name FROM item WHERE name GLOB 'p*' AND name IS NOT NULL", 1.0),
        ("DELETE FROM item", 0.5),
        ("WITH x AS (SELECT 1) DELETE FROM item", 0.5),
        ("PRAGMA table_info(item)", 0.5),
        ("SELECT 1; SELECT 2", 0.5),
        ("SELECT 1; and that is all", -0.5),
        ("SELECT FROM item", -0.5),  # sqlglot takes it
        ("INSERT INTO", -0.5),
        ("Insert pens and ink", -0.5),
        ("Explain this to me", -0.5),
        ("pens", -0.5),
        ("pens ink", -0.5),
        (";", -0.5),
        ("", -0.5),
    ],
)
def test_syntax(sql: str, want: float, score_sql: Score) -> None:
    assert _part(score_sql(COMPOSITE, [sql])[0], "syntax") == want


@pytest.mark.parametrize(
    ("sql", "want"),
    [
        ("select\n\"NAME\" FROM [item]; -- 'x'", 0.8),
        ("SELECT name FROM item WHERE name = 'Pen'", -0.2 + 4 / 7),
        ("-- SELECT name FROM item", -0.2),
        ("", -0.2),
    ],
)
def test_semantic_compares_normalised_tokens(sql: str, want: float, score_sql: Score) -> None:
    assert _part(score_sql(COMPOSITE, [sql])[0], "semantic") == pytest.approx(want)


def test_literals_are_compared_to_the_letter(score_sql: Score) -> None:
    scored = score_sql(COMPOSITE, ["SELECT 'a'", "SELECT 'A'", "SELECT a"], gold="SELECT 'a'")
    assert [_part(one, "semantic") for one in scored] == pytest.approx([0.8, -0.2 + 1 / 3, -0.2 + 1 / 3])


def test_no_wrong_result_reaches_a_right_one(example: Text2SQLExample, score_sql: Score) -> None:
    best_wrong = _output(example, example.gold_sql, ExecutionStatus.OK).score
    unlike_gold = "VALUES ('pen'), ('ink'), ('pen')"  # not one token in common
    worst_right = score_sql(COMPOSITE, [unlike_gold])[0]
    assert worst_right.verdict.correct
    assert (best_wrong, worst_right.reward) == pytest.approx((0.66, 0.76))


def test_weights_are_options(example: Text2SQLExample, judge: SQLJudge) -> None:
    options = dict(syntax_weight=1.0, execution_weight=0.0, semantic_weight=10.0)
    assert _output(example, example.gold_sql, ExecutionStatus.OK, **options).score == 9.0
    with pytest.raises(ValueError, match="'composite' has no option 'weight'"):
        RewardScorer(judge, [WeightedReward("composite", options=dict(weight=1.0))])


def test_composite_has_no_caution(judge: SQLJudge) -> None:
    assert RewardScorer(judge, [COMPOSITE]).cautions == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_read_within_bounds(text: str, example: Text2SQLExample) -> None:
    start = time.process_time()
    output = _output(example, HOSTILE[text], ExecutionStatus.SCHEMA_ERROR)
    assert output.components["syntax"] in (-0.5, 0.5, 1.0)
    assert time.process_time() - start < 2.0  # measured: at most 0.05, and a garbage collection may fall into it


@pytest.mark.parametrize("text", ["dates", "joins", "parentheses", "long"])
def test_what_passes_a_bound_counts_as_unparsed_unless_it_ran(text: str, example: Text2SQLExample) -> None:
    assert _output(example, HOSTILE[text], ExecutionStatus.TIMEOUT).components["syntax"] == -0.5
    assert _output(example, HOSTILE[text], ExecutionStatus.OK).components["syntax"] == 1.0


@pytest.mark.parametrize(("depth", "want"), [(25, 1.0), (26, -0.5)])
def test_parentheses_are_read_to_a_fixed_depth(depth: int, want: float, example: Text2SQLExample) -> None:
    sql = f"SELECT {'(' * depth}missing{')' * depth} FROM item"
    assert _output(example, sql, ExecutionStatus.SCHEMA_ERROR).components["syntax"] == want


@pytest.mark.parametrize("sql", ["EXPLAIN SELECT 1", "VACUUM INTO 'x'", "SELECT a -> '[1.' FROM missing"])
def test_parsing_logs_nothing(sql: str, example: Text2SQLExample, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        _output(example, sql, ExecutionStatus.DENIED)
    assert caplog.records == []


def test_prefilled_thought_earns_the_full_reward(score_texts: Score) -> None:
    scored = score_texts(COMPOSITE, ["x</think><answer>SELECT name FROM item</answer>"], prefill="<think>")[0]
    assert scored.reward == pytest.approx(0.96)
    assert scored.components.keys() == {"composite", "composite/syntax", "composite/execution", "composite/semantic"}
