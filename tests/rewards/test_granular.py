# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The granular reward: the trace of its source, the standing rows, each part by itself."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.prompts.formats import ParsedCompletion
from arctic_text2sql_r1.rewards.base import RewardRecord
from arctic_text2sql_r1.rewards.base import WeightedReward
from arctic_text2sql_r1.rewards.granular import granular
from arctic_text2sql_r1.rewards.scorer import RewardScorer
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample

Score = Callable[..., list[ScoredCompletion]]
GRANULAR = WeightedReward("granular")
STRICT = {
    "empty": -1.0,
    "prose": -1.0,
    "malformed tags": -1.0,
    "two answers": -1.0,
    "answer before thought": -1.0,
    "SQL only in the thought": -1.0,
    "empty answer": -1.0,
    "text after": -1.0,
    "syntax error": -0.5,
    "schema error": -0.5,
    "no result set": -1.0,
    "denied": -1.0,
    "two statements": -0.5,
    "wrong": 5.5,  # every distinct row, one too few
    "no rows": 3.0,  # runs, has the column
    "equivalent": 5.5,  # another order
    "gold itself": 6.0,
}
LENIENT = STRICT | {"two answers": 6.0, "text after": 6.0}
TRACE_SQL = """
CREATE TABLE party (party_id INTEGER PRIMARY KEY, party TEXT);
CREATE TABLE election (election_id INTEGER PRIMARY KEY, party INTEGER, committee TEXT);
INSERT INTO party VALUES (1, 'Democratic'), (2, 'Republican'), (3, 'Democratic');
INSERT INTO election VALUES
    (1, 1, 'Appropriations'), (2, 1, 'Economic Matters'), (3, 1, 'Environmental Matters'),
    (4, 3, 'Ways and Means'), (5, 2, 'Judiciary');
"""
TRACE_GOLD = 'SELECT T1.Committee FROM election AS T1 JOIN party AS T2 ON T1.party = T2.party_id WHERE T2.party = "{}"'
# Each election against each election of its party: 3 x 3 + 1 x 1 rows.
TRACE_PREDICTION = """
SELECT T3.Committee FROM election AS T1 JOIN party AS T2 ON T1.party = T2.party_id
JOIN election AS T3 ON T2.party_id = T3.party WHERE T2.party = 'Democratic';
"""


def _parts(scored: ScoredCompletion) -> dict[str, float]:
    return {name.removeprefix("granular/"): part for name, part in scored.components.items() if "/" in name}


def test_trace_of_the_source_comes_out(tmp_path: Path, judge: SQLJudge) -> None:
    path = tmp_path / "election.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TRACE_SQL)
    example = Text2SQLExample("e", "election", "Which?", TRACE_GOLD.format("Democratic"), str(path))
    scorer = RewardScorer(judge, [GRANULAR])
    trace, unknown = scorer.score_sql([example] * 2, [TRACE_PREDICTION, "SELECT T9.Committee FROM election AS T1"])
    assert trace.verdict.result is not None
    assert (trace.verdict.gold.row_count, trace.verdict.result.row_count) == (4, 10)
    assert (trace.reward, unknown.reward) == (5.5, -0.5)
    assert _parts(trace) == dict(format=0.0, execution=1.0, columns=2.0, rows=2.0, set=0.5, order=0.0)


@pytest.mark.parametrize(("parser", "want"), [("strict", STRICT), ("lenient", LENIENT)])
def test_reward_of_standing_rows(
    parser: str, want: dict[str, float], standing_scores: Callable[[str, str], dict[str, float]]
) -> None:
    assert standing_scores("granular", parser) == want


@pytest.mark.parametrize(
    ("sql", "want"),
    [
        ("VALUES ('pen')", -1.0),
        ("Here is the query: SELECT name FROM item", -1.0),
        ("SELECT name FROM item Here is the explanation", -1.0),
        ("SELECT name FROM item; This query lists the items.", -1.0),
        ("SELECT name FROM item Explanation: the names", -1.0),
        ("SELECT name FROM item WHERE 'here is' = = 1", -0.5),
        ('SELECT "the query" FROM item WHERE = 1', -0.5),
        ("SELECT name FROM item WHERE = 1 -- here is an explanation", -0.5),
        ("SELECT the, query FROM item WHERE = 1", -0.5),
        ("SELECT explanation FROM item", -0.5),
        ("SELECT name AS explanation FROM item", 4.0),
        ("-- Here is the query\nSELECT name FROM item", 6.0),
        ("WITH x AS (SELECT name FROM item) SELECT * FROM x", 6.0),
    ],
)
def test_conversation_is_looked_for_only_where_sql_is_refused(sql: str, want: float, score_sql: Score) -> None:
    assert score_sql(GRANULAR, [sql])[0].reward == want


@pytest.mark.parametrize(
    ("gold", "sql", "part", "want"),
    [
        ("SELECT 1 AS a, 2 AS b", "SELECT 1 AS A", "columns", 1.0),
        ("SELECT 1 AS A", "SELECT 1 AS a", "columns", 2.0),
        ("SELECT 1 AS a, 2 AS a", "SELECT 1 AS a", "columns", 2.0),
        ("SELECT 1 AS a", "SELECT 1 AS a, 2 AS b", "columns", 2.0),
        ("SELECT name FROM item", "SELECT 'pen' AS name", "rows", 1.0),  # 1 of 2
        ("SELECT name FROM item", "SELECT name FROM item UNION SELECT 'x' UNION SELECT 'y'", "rows", 1.0),  # 2 of 4
        ("SELECT name FROM item", "SELECT 'x' UNION SELECT name FROM item WHERE name = 'ink'", "rows", 2 / 3),
        ("SELECT 1 WHERE 0", "SELECT 2 WHERE 0", "rows", 2.0),
        ("SELECT 1 WHERE 0", "SELECT 2", "rows", 0.0),
        ("SELECT name FROM item", "SELECT name, 1 FROM item", "rows", 0.0),
        ("SELECT name FROM item", "SELECT DISTINCT name AS x FROM item", "set", 0.5),
        ("SELECT name FROM item", "SELECT name FROM item WHERE name = 'pen'", "set", 0.0),
        ("SELECT name FROM item", "SELECT name AS x FROM item", "order", 0.5),
        ("SELECT name FROM item", "SELECT name FROM item ORDER BY 1", "order", 0.0),
        ("SELECT name FROM item", "SELECT DISTINCT name FROM item", "order", 0.0),
    ],
)
def test_part_of_a_statement_that_runs(gold: str, sql: str, part: str, want: float, score_sql: Score) -> None:
    assert _parts(score_sql(GRANULAR, [sql], gold=gold)[0])[part] == pytest.approx(want)


def test_rows_that_were_not_compared_earn_only_as_the_same_set(score_sql: Score, example: Text2SQLExample) -> None:
    for sql, want in [("SELECT DISTINCT name FROM item", 2.0), ("SELECT name FROM item LIMIT 1", 0.0)]:
        verdict = score_sql(GRANULAR, [sql])[0].verdict
        verdict = replace(verdict, result=replace(verdict.result, overlap=None))
        output = granular(RewardRecord(example, Completion(sql), ParsedCompletion(sql, None), verdict))
        assert output.components["rows"] == want


def test_score_is_the_sum_of_its_parts(score_sql: Score) -> None:
    scored = score_sql(GRANULAR, ["", "pens", "SELECT", "SELECT 'pen' AS name", "SELECT name FROM item"])
    assert [one.reward for one in scored] == [sum(_parts(one).values()) for one in scored]
    assert [list(_parts(one)) for one in scored[:3]] == [["format"], ["format"], ["format", "execution"]]


def test_prefilled_thought_earns_the_full_reward(score_texts: Score) -> None:
    assert score_texts(GRANULAR, ["x</think><answer>SELECT name FROM item</answer>"], prefill="<think>")[0].reward == 6


def test_wrong_result_can_outscore_a_right_one_and_the_reward_says_so(judge: SQLJudge, score_sql: Score) -> None:
    wrong, right = score_sql(GRANULAR, ["SELECT DISTINCT name FROM item", "SELECT name AS x FROM item"])
    assert (wrong.verdict.correct, right.verdict.correct) == (False, True)
    assert wrong.reward > right.reward
    assert RewardScorer(judge, [GRANULAR]).cautions[0].startswith("reward 'granular': right rows under other")


def test_granular_has_no_options(judge: SQLJudge) -> None:
    with pytest.raises(ValueError, match="'granular' has no option 'rows'"):
        RewardScorer(judge, [WeightedReward("granular", options=dict(rows=1.0))])
