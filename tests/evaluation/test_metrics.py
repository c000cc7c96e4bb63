# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""One model's figures against counts made by hand."""

from collections.abc import Callable

import pytest

from arctic_text2sql_r1.evaluation.metrics import Outcome
from arctic_text2sql_r1.evaluation.metrics import accuracy
from arctic_text2sql_r1.evaluation.metrics import summarize
from arctic_text2sql_r1.evaluation.predict import PROMPT_TOO_LONG
from arctic_text2sql_r1.types import ExecutionStatus

MakeOutcome = Callable[..., Outcome]


def test_wilson_interval_equals_the_formula_by_hand(outcome: MakeOutcome) -> None:
    # 8 of 10, z = 1.959964: centre (0.8 + z²/20) / (1 + z²/10) = 0.71674, half width 0.22659
    found = accuracy([outcome(str(index), correct=index < 8) for index in range(10)])
    assert (found.n, found.right, found.ex) == (10, 8, 0.8)
    assert found.ci95 == pytest.approx((0.49016, 0.94332), abs=1e-5)


def test_every_rate_counts_questions_over_all_scored_ones(outcome: MakeOutcome) -> None:
    summary = summarize(
        [
            outcome("a", correct=True),
            outcome("b", correct=False),
            outcome("c", correct=False, status=ExecutionStatus.TIMEOUT),
            outcome("d", correct=False, status=None, problem="no_answer", truncated=True),
            outcome("e", correct=False, status=None, problem=PROMPT_TOO_LONG),
        ]
    )
    assert (summary.accuracy.n, summary.accuracy.ex) == (5, 0.2)
    assert (summary.valid_sql, summary.parse_rate, summary.truncated) == (0.4, 0.6, 0.2)
    assert (summary.timeouts, summary.prompts_too_long) == (1, ("e",))
    assert summary.statuses == dict(no_sql=2, ok=2, timeout=1)


def test_a_question_whose_gold_failed_is_counted_and_moves_no_figure(outcome: MakeOutcome) -> None:
    kept = [outcome("a", correct=True), outcome("b", correct=False, status=None)]
    with_failed = summarize([*kept, outcome("c", correct=None, status=None, truncated=True)])
    assert with_failed.gold_failed == ("c",)
    assert (with_failed.accuracy, with_failed.parse_rate) == (summarize(kept).accuracy, 0.5)


def test_figures_split_by_difficulty_and_database(outcome: MakeOutcome) -> None:
    rows = [("a", True, "easy", "x"), ("b", False, "easy", "y"), ("c", True, "hard", "y"), ("d", True, "", "y")]
    summary = summarize([outcome(i, correct=c, difficulty=hard, db_id=db) for i, c, hard, db in rows])
    assert {name: (part.right, part.n) for name, part in summary.by_difficulty.items()} == dict(
        easy=(1, 2), hard=(1, 1), unknown=(1, 1)
    )
    assert {name: (part.right, part.n) for name, part in summary.by_db.items()} == dict(x=(1, 1), y=(2, 3))


def test_further_samples_move_mean_and_pass_but_not_accuracy(outcome: MakeOutcome) -> None:
    # question a: wrong, right; question b: right, right
    rows = [("a", 0, False), ("a", 1, True), ("b", 0, True), ("b", 1, True)]
    summary = summarize([outcome(name, correct=right, sample=sample) for name, sample, right in rows])
    assert (summary.accuracy.ex, summary.mean_at_k, summary.pass_at_k, summary.samples) == (0.5, 0.75, 1.0, 2)


def test_no_outcomes_give_no_rates() -> None:
    summary = summarize([])
    assert (summary.accuracy.ex, summary.accuracy.ci95, summary.valid_sql, summary.pass_at_k) == (None,) * 4
