# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Gold queries that cannot teach: found by running every one, dropped, counted and listed with the reason.

A gold that fails, runs into a limit or returns nothing would score the model for a fault of the data. Missing
database files are found earlier, by `readers.py`; how SQL is run is in `databases/`.
"""

from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

from arctic_text2sql_r1.databases.judge import JudgeRequest
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus
from arctic_text2sql_r1.types import Text2SQLExample

EMPTY = "empty"
CHUNK = 256  # golds per call of the judge: enough to keep its workers busy between two reports of progress


class RejectedGold(NamedTuple):
    """An example whose gold cannot be used; `reason` is `empty` or `STATUS: what the engine said`."""

    example: Text2SQLExample
    reason: str

    @property
    def kind(self) -> str:
        """The reason without its detail."""
        return self.reason.partition(":")[0]


class GoldCheck(NamedTuple):
    """What `check_gold` found; both lists keep the order of the examples."""

    kept: list[Text2SQLExample]
    rejected: list[RejectedGold]

    def kinds(self) -> dict[str, int]:
        """How many golds were rejected for each kind of reason, most frequent first."""
        return dict(Counter(rejected.kind for rejected in self.rejected).most_common())

    def summary(self) -> str:
        """One line for people: how many kept, how many rejected and why."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds().items())
        return f"{len(self.kept)} golds kept, {len(self.rejected)} rejected" + (f" ({kinds})" if kinds != "" else "")


def check_gold(
    examples: Sequence[Text2SQLExample],
    judge: SQLJudge,
    on_progress: Callable[[int, int], None] | None = None,
) -> GoldCheck:
    """Run every gold once and keep those that return at least one row.

    `on_progress` is called with (golds run, all golds).
    """
    check = GoldCheck(kept=[], rejected=[])
    for start in range(0, len(examples), CHUNK):
        chunk = examples[start : start + CHUNK]
        for example, gold in zip(chunk, _run_golds(chunk, judge), strict=True):
            reason = _why_rejected(gold)
            if reason is None:
                check.kept.append(example)
            else:
                check.rejected.append(RejectedGold(example=example, reason=reason))
        if on_progress is not None:
            on_progress(start + len(chunk), len(examples))
    return check


def _run_golds(examples: Sequence[Text2SQLExample], judge: SQLJudge) -> list[ExecutionResult]:
    requests = [
        JudgeRequest(db_path=example.db_path, gold_sql=example.gold_sql, prediction=None) for example in examples
    ]
    return [verdict.gold for verdict in judge.judge(requests)]


def _why_rejected(gold: ExecutionResult) -> str | None:
    if gold.status is not ExecutionStatus.OK:
        return gold.status.value if gold.error is None else f"{gold.status.value}: {gold.error}"
    return EMPTY if gold.row_count == 0 else None
