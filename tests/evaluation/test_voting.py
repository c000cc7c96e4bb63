# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Majority votes over real results, in each comparison mode."""

import sqlite3
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from arctic_text2sql_r1.databases.compare import COMPARE_MODES
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.evaluation.metrics import Outcome
from arctic_text2sql_r1.evaluation.metrics import judge_predictions
from arctic_text2sql_r1.evaluation.voting import shared_results
from arctic_text2sql_r1.evaluation.voting import vote
from arctic_text2sql_r1.types import Text2SQLExample

Elect = Callable[..., Outcome]


@pytest.fixture
def elect(tmp_path: Path, outcome: Callable[..., Outcome]) -> Elect:
    """Who wins among predictions for one question, judged in `mode` against `gold`."""
    path = tmp_path / "t.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(1, "x"), (1, "x"), (2, "y"), (3, "z")])
        connection.commit()

    def run(
        *sqls: str | None,
        gold: str = "SELECT 0",
        mode: str = "default",
        logprobs: Sequence[float | None] | None = None,
    ) -> Outcome:
        example = Text2SQLExample("q", "t", "?", gold, str(path))
        made = outcome("q", correct=None).prediction
        predictions = [
            replace(made, sample=i, prediction=sql, mean_logprob=None if logprobs is None else logprobs[i])
            for i, sql in enumerate(sqls)
        ]
        with SQLJudge(num_workers=1, compare=mode) as judge:
            outcomes = judge_predictions(judge, [example], predictions, compare_rows=True)
        return vote(outcomes, mode)[0]

    return run


def test_the_result_of_most_candidates_wins_whatever_gold_says(elect: Elect) -> None:
    winner = elect("SELECT 0", "SELECT 1", "SELECT 2 - 1", gold="SELECT 0")
    assert (winner.prediction.prediction, winner.correct) == ("SELECT 1", False)
    winner = elect("SELECT 0", "SELECT 1", "SELECT 2 - 1", gold="SELECT 1")
    assert winner.correct


@pytest.mark.parametrize("mode", COMPARE_MODES)
def test_results_larger_than_golds_vote_too(elect: Elect, mode: str) -> None:
    big = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 50) SELECT n FROM c"
    winner = elect("SELECT 0", big, big.replace("50", "25 + 25"), gold="SELECT 0", mode=mode)
    assert winner.prediction.sample == 1


def test_what_did_not_run_has_no_vote(elect: Elect) -> None:
    winner = elect(None, None, "SELECT no FROM t", "SELECT no FROM t", "DROP TABLE t", "SELECT 5")
    assert winner.prediction.prediction == "SELECT 5"


def test_without_votes_the_first_completion_stands(elect: Elect) -> None:
    winner = elect(None, "SELECT no FROM t", gold="SELECT a FROM t WHERE 0")
    assert (winner.prediction.sample, winner.correct) == (0, False)


def test_empty_results_vote(elect: Elect) -> None:
    assert elect("SELECT 7", "SELECT a FROM t WHERE 0", "SELECT a FROM t WHERE a > 9").prediction.sample == 1


def test_ties_go_to_the_likeliest_candidate_else_to_the_first(elect: Elect) -> None:
    four = ("SELECT 1", "SELECT 2", "SELECT 1 + 1", "SELECT 2 - 1")
    assert elect(*four).prediction.sample == 0
    assert elect(*four, logprobs=(-0.5, -0.9, -0.1, -0.8)).prediction.sample == 2
    assert elect(*four, logprobs=(-0.5, -0.9, None, -0.8)).prediction.sample == 0


def test_votes_outweigh_log_probabilities(elect: Elect) -> None:
    winner = elect("SELECT 1", "SELECT 2", "SELECT 1 + 1", logprobs=(-0.1, -5.0, -4.0))
    assert winner.prediction.sample == 2  # the likelier of the two that won


ORDERED, DOUBLED, SWAPPED = "SELECT a FROM t ORDER BY -a", "SELECT DISTINCT a FROM t", "SELECT b, a FROM t"


@pytest.mark.parametrize(
    ("mode", "pair", "together"),
    [
        ("default", ("SELECT a FROM t", ORDERED), True),
        ("default", ("SELECT a FROM t", DOUBLED), False),
        ("bird", ("SELECT a FROM t", DOUBLED), True),
        ("bird", ("SELECT a, b FROM t", SWAPPED), False),
        ("spider", ("SELECT a, b FROM t", SWAPPED), True),
        ("spider", ("SELECT a FROM t WHERE 0", "SELECT a, b FROM t WHERE 0"), True),
        ("spider", ("SELECT a FROM t", DOUBLED), True),  # DISTINCT is removed
        ("spider_keep_distinct", ("SELECT a FROM t", DOUBLED), False),
        ("default", ("SELECT 1e15 + 0.5", "SELECT 1000000000000000"), True),  # large floats have two readings
    ],
)
def test_candidates_vote_together_when_the_mode_takes_their_results_as_equal(
    elect: Elect, mode: str, pair: tuple[str, str], together: bool
) -> None:
    winner = elect("SELECT 'other'", *pair, mode=mode)
    assert (winner.prediction.sample == 1) is together


def test_votes_without_all_rows_are_refused(outcome: Callable[..., Outcome]) -> None:
    with pytest.raises(ValueError, match="judged with `compare_rows`"):
        vote([outcome("q", correct=False, sample=0), outcome("q", correct=False, sample=1)], "default")


def test_each_question_has_its_own_vote(outcome: Callable[..., Outcome]) -> None:
    alone = [outcome(name, correct=right) for name, right in (("a", True), ("b", False), ("c", None))]
    assert vote(alone, "default") == alone


def test_results_stand_in_the_order_of_their_votes(
    elect: Elect, tmp_path: Path, outcome: Callable[..., Outcome]
) -> None:
    elect("SELECT 0")  # builds the table
    example = Text2SQLExample("q", "t", "?", "SELECT 0", str(tmp_path / "t.sqlite"))
    made = outcome("q", correct=None).prediction
    sqls = ["SELECT 1", "SELECT 2", "SELECT 3", "SELECT no", "SELECT 1 + 1", "SELECT 3.0", "SELECT 6 / 2"]
    with SQLJudge(num_workers=1) as judge:
        predictions = [replace(made, sample=i, prediction=sql) for i, sql in enumerate(sqls)]
        outcomes = judge_predictions(judge, [example], predictions, compare_rows=True)
    groups = shared_results(outcomes, "default")
    assert [[one.prediction.sample for one in group] for group in groups] == [[2, 5, 6], [1, 4], [0]]
    assert shared_results(outcomes[3:4], "default") == []
