# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The granular reward: -1 for a wrong form, else points for running, column names, rows, their set and their order.

    format      -1.0, and nothing else is paid, when no SQL was extracted, when the statement does not begin with
                SELECT or WITH, or when it does not run because of conversation around it
    execution   +1.0 when it runs, else -0.5, and nothing else is paid
    columns     2.0 x share of gold's distinct column names that the prediction has too, compared without case
    rows        2.0 x distinct rows in common / distinct rows in either; two results without rows count as 1
    set         +0.5 when both results are the same set of rows
    order       +0.5 when both results are the same list of rows

The score is the sum of the parts, at most 6.0. Rows are compared column by column in their order; rows that tie under
gold's own ORDER BY may trade places.

Source: a published Spider project, its document and the trace in it (10 rows with the 4 distinct rows of gold: 5.5).
Chosen here: conversation is a phrase of `_PADDING` outside literals, quoted names and comments, and counts only in a
statement that SQLite refuses as bad syntax or as several statements, so a column called "explanation" costs nothing;
column names are looked at up to their 80th character; where gold has more than 100,000 rows, rows are not compared
and only the same set earns row points.

A wrong result can outscore a right one: duplicates cost at most the order bonus, while right rows under other column
names lose 2 points. The reward says so at start.
"""

from arctic_text2sql_r1.databases.base import ExecutionLimits
from arctic_text2sql_r1.databases.compare import digests_agree
from arctic_text2sql_r1.databases.sqltext import first_word
from arctic_text2sql_r1.databases.sqltext import tokenize
from arctic_text2sql_r1.rewards.base import REWARDS
from arctic_text2sql_r1.rewards.base import RewardOutput
from arctic_text2sql_r1.rewards.base import RewardRecord
from arctic_text2sql_r1.rewards.base import compares_rows
from arctic_text2sql_r1.rewards.base import pays_wrong_results
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus

_WRONG_FORM = -1.0
_RUNS = 1.0
_DOES_NOT_RUN = -0.5
_COLUMNS = 2.0
_ROWS = 2.0
_SAME_SET = 0.5
_SAME_ORDER = 0.5
_PADDING = (
    ("here", "is"),
    ("here", "are"),
    ("explanation",),
    ("this", "query"),
    ("the", "query"),
    ("this", "sql"),
    ("this", "statement"),
)
# Prose after a statement is bad syntax, or a second statement when a semicolon stands between.
_SPOILT_BY_PADDING = (ExecutionStatus.SYNTAX_ERROR, ExecutionStatus.DENIED)
_READ_FOR_PADDING = 20_000  # characters
_READ_FOR_FIRST_WORD = ExecutionLimits().max_sql_bytes  # no longer statement is run


@REWARDS.register("granular")
@compares_rows
@pays_wrong_results("right rows under other column names, or in another order, can earn less than wrong rows.")
def granular(record: RewardRecord) -> RewardOutput:
    """-1.0, -0.5, or 1.0 to 6.0, with the parts named above."""
    result = record.result
    if result is None or _has_wrong_form(record.prediction or "", result):
        return RewardOutput(_WRONG_FORM, dict(format=_WRONG_FORM))
    parts = dict(format=0.0, execution=_RUNS)
    if result.status is ExecutionStatus.OK:
        parts.update(_compared(result, record.verdict.gold))
    else:
        parts["execution"] = _DOES_NOT_RUN
    return RewardOutput(sum(parts.values()), parts)


def _has_wrong_form(sql: str, result: ExecutionResult) -> bool:
    if first_word(sql[:_READ_FOR_FIRST_WORD]) not in ("select", "with"):
        return True
    return result.status in _SPOILT_BY_PADDING and _is_padded(sql[:_READ_FOR_PADDING])


def _is_padded(sql: str) -> bool:
    """Whether a phrase of conversation stands among the words of `sql`."""
    # Literals and quoted names keep their quotes, so none of them is a word of a phrase.
    texts = [token.text for token in tokenize(sql)]
    return any(tuple(texts[i : i + len(phrase)]) == phrase for i in range(len(texts)) for phrase in _PADDING)


def _compared(result: ExecutionResult, gold: ExecutionResult) -> dict[str, float]:
    """The parts that compare two results."""
    wanted = {name.lower() for name in gold.column_names}
    found = wanted & {name.lower() for name in result.column_names}
    same_set = same_list = False
    if result.digests is not None and gold.digests is not None:
        same_set = digests_agree(result.digests.distinct, gold.digests.distinct)
        same_list = same_set and digests_agree(result.digests.ordered, gold.digests.ordered)
    return dict(
        columns=_COLUMNS * len(found) / len(wanted) if len(wanted) > 0 else 0.0,
        rows=_ROWS * (1.0 if same_set else _jaccard(result)),
        set=_SAME_SET if same_set else 0.0,
        order=_SAME_ORDER if same_list else 0.0,
    )


def _jaccard(result: ExecutionResult) -> float:
    """Distinct rows in common with gold over distinct rows in either; 0 where rows were not compared."""
    overlap = result.overlap
    if overlap is None:
        return 0.0
    either = overlap.distinct_prediction + overlap.distinct_gold - overlap.distinct_common
    return overlap.distinct_common / either if either > 0 else 1.0
