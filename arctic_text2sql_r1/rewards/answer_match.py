# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The answer reward: 3 for gold's own text, 1.5 for the right result in other words, less or a penalty for the rest.

    +3.0            gold's text to the letter (extraction drops blank space around a prediction, bare SQL keeps it)
    +1.5            any other statement with the right result; a difference in blanks, comments, the case of keywords
                    or a final semicolon (what `sqltext.fold` folds away) is one such
    +0.5 / +0.25    a wrong number where gold returns one number (one row, one column): prediction / gold within
                    [0.9, 1.1] / [0.8, 1.2]
    -1.0            any other wrong number there, and every wrong number where gold is 0
    -0.5            runs with any other wrong result
    -1.0            does not run, or no SQL was extracted

Source: a published notebook for arithmetic answers, used unchanged for SQL: it compares text, so an equivalent query
earns -0.5 there. Departure: results decide, because a right result must never lose to a wrong one; text only raises a
right result from 1.5 to 3. The numbers compared are what the statements return, not digits in their text; SQLite has
no booleans, and text that looks like a number is not one. No wrong result can score above a right one.
"""

from arctic_text2sql_r1.rewards.base import REWARDS
from arctic_text2sql_r1.rewards.base import RewardOutput
from arctic_text2sql_r1.rewards.base import RewardRecord
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus

_SAME_TEXT = 3.0
_SAME_RESULT = 1.5
_NEAR = ((0.9, 1.1, 0.5), (0.8, 1.2, 0.25))  # smallest ratio, largest ratio, score
_FAR_NUMBER = -1.0
_WRONG = -0.5
_DOES_NOT_RUN = -1.0


@REWARDS.register("answer_match")
def answer_match(record: RewardRecord) -> RewardOutput:
    """3.0, 1.5, 0.5, 0.25, -0.5 or -1.0."""
    if record.verdict.correct:
        # Extraction strips the prediction, so gold is stripped as well.
        golds = (record.example.gold_sql, record.example.gold_sql.strip())
        return RewardOutput(_SAME_TEXT if record.prediction in golds else _SAME_RESULT)
    if record.result is None or record.result.status is not ExecutionStatus.OK:
        return RewardOutput(_DOES_NOT_RUN)
    number, gold = _only_number(record.result), _only_number(record.verdict.gold)
    return RewardOutput(_WRONG if number is None or gold is None else _nearness(number, gold))


def _only_number(result: ExecutionResult) -> float | None:
    """The number that a result consists of; None when it is anything else than one number."""
    if (result.row_count, result.column_count) != (1, 1):
        return None
    value = result.sample_rows[0][0]
    return value if isinstance(value, int | float) else None


def _nearness(number: float, gold: float) -> float:
    ratio = number / gold if gold != 0 else 0.0
    return next((score for low, high, score in _NEAR if low <= ratio <= high), _FAR_NUMBER)
