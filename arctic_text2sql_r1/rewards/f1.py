# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The row-F1 reward: 5 for the right result, less for some of its rows, -1 for SQL that does not run, -2 for none.

    +5.0         right result
    0.0 to 4.5   runs with a wrong result: 5 x F1 of its rows against gold's, at most 4.5
    -1.0         no SQL in the completion, or SQL that ends with any other status than ok
    -2.0         empty: the completion, its answer, or the bare statement is blank

F1 counts rows with their duplicates, columns by position: 2 x common / (rows of prediction + rows of gold). The part
`row_f1` is that number, 1 for a right result and 0 for SQL that does not run.

Source: a published Spider project whose document gives +5, -1, -2 and "partial credit by F1". Chosen here: rows as a
bag; the bound of 4.5, without which right rows in a wrong order would earn the full reward; -1 for a completion that
has text but no SQL; 0 for a wrong result without rows, and for every wrong result when gold has more than 100,000
rows (no rows are compared then). No wrong result can score above a right one.
"""

from arctic_text2sql_r1.rewards.base import REWARDS
from arctic_text2sql_r1.rewards.base import RewardOutput
from arctic_text2sql_r1.rewards.base import RewardRecord
from arctic_text2sql_r1.rewards.base import compares_rows
from arctic_text2sql_r1.types import ExecutionStatus

_CORRECT = 5.0
_MOST_FOR_WRONG = 4.5
_DOES_NOT_RUN = -1.0
_EMPTY = -2.0
_EMPTY_PROBLEMS = ("empty_completion", "empty_answer")


@REWARDS.register("f1")
@compares_rows
def f1(record: RewardRecord) -> RewardOutput:
    """-2.0, -1.0, or 0.0 to 5.0, with the part `row_f1`."""
    return RewardOutput(_score(record), dict(row_f1=row_f1(record)))


def row_f1(record: RewardRecord) -> float:
    """F1 of the prediction's bag of rows against gold's, 0 to 1; 1 for a right result, 0 for SQL that does not run."""
    if record.verdict.correct:
        return 1.0
    result = record.result
    if result is None or result.status is not ExecutionStatus.OK or result.overlap is None:
        return 0.0
    rows = result.row_count + record.verdict.gold.row_count
    return 2.0 * result.overlap.common / rows if rows > 0 else 0.0


def _score(record: RewardRecord) -> float:
    if record.prediction is None or record.prediction.strip() == "":
        blank = record.prediction is not None or record.parsed.problem in _EMPTY_PROBLEMS
        return _EMPTY if blank else _DOES_NOT_RUN
    if record.result is None or record.result.status is not ExecutionStatus.OK:
        return _DOES_NOT_RUN
    return _CORRECT if record.verdict.correct else min(_CORRECT * row_f1(record), _MOST_FOR_WRONG)
