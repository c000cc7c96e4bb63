# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The floor of `reward_throughput.py`: what executing a workload's SQL with plain sqlite3 costs, and what it returns.

Nothing of the package is used here, so that both its cost and its verdicts are measured against something else.
"""

import hashlib
import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

_PROGRESS_PERIOD = 20_000  # opcodes between two looks at the clock; rarer than the scorer can afford


@dataclass(frozen=True)
class WorkloadRow:
    """One completion of the workload; `kind` is "endless" where its SQL never ends."""

    db_path: str
    gold: str
    prediction: str
    kind: str
    completion: str


@dataclass(frozen=True)
class PlainResult:
    """What plain sqlite3 made of one statement: CPU seconds, and hashes of its rows, None unless it returned rows."""

    cpu_s: float
    in_order: str | None = None
    as_bag: str | None = None


@dataclass(frozen=True)
class Floor:
    """The floor's executions by (database, text); `predictions` holds no text that is also a gold."""

    golds: dict[tuple[str, str], PlainResult]
    predictions: dict[tuple[str, str], PlainResult]

    @property
    def golds_cpu_s(self) -> float:
        return sum(result.cpu_s for result in self.golds.values())

    @property
    def cpu_s(self) -> float:
        return sum(result.cpu_s for result in self.predictions.values())

    def bounds(self, row: WorkloadRow) -> tuple[bool, bool]:
        """Whether gold and prediction return the same list of rows, and the same bag of rows."""
        gold = self.golds[row.db_path, row.gold]
        mine = self.golds.get((row.db_path, row.prediction)) or self.predictions[row.db_path, row.prediction]
        returned = gold.as_bag is not None and mine.as_bag is not None
        return returned and gold.in_order == mine.in_order, returned and gold.as_bag == mine.as_bag


def load_rows(folder: Path, limit: int | None) -> list[WorkloadRow]:
    """The first `limit` rows of a workload folder. Exits with a message if there is none."""
    path = folder / "workload.jsonl"
    if not path.is_file():
        raise SystemExit(f"No workload at '{path}'. Make one: python benchmarks/reward_workload.py {folder}")
    rows = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            db_path = str(folder / "databases" / row["db"] / f"{row['db']}.sqlite")
            rows.append(WorkloadRow(db_path, row["gold"], row["pred"], row["kind"], row["completion"]))
    return rows[:limit]


def run_floor(rows: Sequence[WorkloadRow], golds: Sequence[tuple[str, str]], timeout_s: float) -> Floor:
    """Execute each gold, then each other distinct text of `rows`, once with plain sqlite3."""
    connections: dict[str, sqlite3.Connection] = {}
    gold_results = {key: _run_plainly(connections, *key, timeout_s) for key in golds}
    distinct = sorted({(row.db_path, row.prediction) for row in rows} - gold_results.keys())
    predictions = {}
    for done, key in enumerate(distinct):
        if done % 500 == 0:
            say(f"floor: {done} of {len(distinct)} distinct predictions")
        predictions[key] = _run_plainly(connections, *key, timeout_s)
    return Floor(gold_results, predictions)


def _run_plainly(connections: dict[str, sqlite3.Connection], db_path: str, sql: str, timeout_s: float) -> PlainResult:
    """Execute one statement and fetch all of it; the time taken to hash its rows is left out."""
    started = time.process_time()
    if db_path not in connections:
        connections[db_path] = sqlite3.connect(f"file:{quote(db_path)}?mode=ro&immutable=1", uri=True)
    end = started + timeout_s
    connections[db_path].set_progress_handler(lambda: time.process_time() > end, _PROGRESS_PERIOD)
    try:
        cursor = connections[db_path].execute(sql)
        rows = cursor.fetchall()
        yields_rows = cursor.description is not None
        cursor.close()
    except (sqlite3.Error, sqlite3.Warning, ValueError):
        return PlainResult(time.process_time() - started)
    cpu_s = time.process_time() - started
    if not yields_rows:
        return PlainResult(cpu_s)
    in_order, as_bag = _hashes(rows)
    started = time.process_time()
    rows.clear()  # freeing the rows is part of having fetched them
    return PlainResult(cpu_s + time.process_time() - started, in_order, as_bag)


def _hashes(rows: Sequence[tuple[Any, ...]]) -> tuple[str, str]:
    """Hashes of the rows as a list and as a bag."""
    texts = [repr(tuple(_rounded(value) if type(value) is float else value for value in row)) for row in rows]
    width = len(rows[0]) if len(rows) > 0 else 0
    in_order = hashlib.sha256("\n".join(texts).encode("utf-8", "surrogateescape")).hexdigest()
    as_bag = hashlib.sha256("\n".join(sorted(texts)).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{width}:{in_order}", f"{width}:{as_bag}"


def _rounded(value: float) -> float:
    """The same for an integer and a float of its value, and for floats that differ after the tenth digit."""
    rounded = float(f"{value:.10g}")
    return int(rounded) if rounded.is_integer() else rounded


def say(text: str) -> None:
    """Print a line of progress to stderr."""
    print(text, file=sys.stderr, flush=True)
