# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The averages of every step of a run, one JSON line each, continued by a resumed run.

Single completions are in `rollouts.py`; what the metrics mean is in `step_report.py`.
"""

from pathlib import Path

from arctic_text2sql_r1.data.jsonl import append_json_lines
from arctic_text2sql_r1.data.jsonl import read_json_log
from arctic_text2sql_r1.errors import DataError

Metrics = dict[str, float]


def append_history(path: str | Path, metrics: Metrics) -> None:
    """Add one step's metrics, `step` among them, with a single write."""
    if "step" not in metrics:
        raise DataError(f"Cannot add to '{path}': the metrics have no 'step'. Found: {', '.join(sorted(metrics))}.")
    append_json_lines(Path(path), [dict(metrics)])


def read_history(path: str | Path) -> list[Metrics]:
    """One row per step, in order of steps.

    A run resumed from a checkpoint repeats the steps after it: the row written last is the one that counts.
    """
    rows = {row["step"]: row for row in read_json_log(Path(path))}
    return [rows[step] for step in sorted(rows)]
