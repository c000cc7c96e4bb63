# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Judges predictions against gold SQL: what has to be run, how long it may take, and whether the results agree.

Gold runs first, once per state of its database, on connections that no prediction uses. Predictions that fold to the
same text run once. How statements are run is in `pool.py`, what "agree" means in `compare.py`; what a verdict is worth
is decided in `rewards/`.
"""

import os
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

from arctic_text2sql_r1.databases.base import ExecutionLimits
from arctic_text2sql_r1.databases.base import Job
from arctic_text2sql_r1.databases.base import JobResult
from arctic_text2sql_r1.databases.compare import check_mode
from arctic_text2sql_r1.databases.compare import results_match
from arctic_text2sql_r1.databases.pool import WorkerPool
from arctic_text2sql_r1.databases.sqltext import fold
from arctic_text2sql_r1.databases.sqltext import orders_rows
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus
from arctic_text2sql_r1.types import Verdict

# A prediction may use ten times gold's time, and always a second. Counted in CPU time, so that a busy machine does not
# turn right predictions into timeouts; an endless query then costs about a second instead of the whole limit.
_TIMES_GOLD = 10.0
_SMALLEST_CPU_LIMIT_S = 1.0


@dataclass(frozen=True)
class JudgeRequest:
    """One prediction to judge; `prediction` is None when no SQL was extracted."""

    db_path: str
    gold_sql: str
    prediction: str | None


@dataclass(frozen=True)
class _Gold:
    """A gold query's outcome and what judging against it needs."""

    outcome: JobResult
    folded: str
    orders: bool

    @property
    def result(self) -> ExecutionResult:
        return self.outcome.result


@dataclass(frozen=True)
class _Database:
    path: str
    identity: str


_GoldKey = tuple[_Database, str]
_PredictionKey = tuple[_Database, str, tuple[int, ...] | None]


class SQLJudge:
    """Turns requests into verdicts with a pool of worker processes. Use as a context manager or call `close`.

    `timeout_s` bounds the wall time of every statement, and a prediction may use no more CPU time than
    min(timeout_s, max(1 s, 10 x gold's time)). `max_rows` bounds every result. `compare` is a mode of `compare.py`.
    One judge per process (rank); thread-safe.
    """

    def __init__(
        self, num_workers: int = 2, timeout_s: float = 5.0, max_rows: int = 100_000, compare: str = "default"
    ) -> None:
        check_mode(compare)
        self.compare = compare
        self.limits = ExecutionLimits(timeout_s=timeout_s, max_rows=max_rows)
        self._golds: dict[_GoldKey, _Gold] = {}
        self._pool = WorkerPool(num_workers, self.limits)

    def __enter__(self) -> "SQLJudge":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def worker_pids(self) -> list[int]:
        """The worker processes that are alive now."""
        return self._pool.worker_pids

    def close(self) -> None:
        """End the worker processes; none is left when this returns."""
        self._pool.close()

    def judge(
        self, requests: Sequence[JudgeRequest], on_progress: Callable[[int, int], None] | None = None
    ) -> list[Verdict]:
        """The verdict on each request, in the order of `requests`.

        `on_progress` is called with (requests settled, all requests) as work gets done. Raises `DataError` when a
        database is missing, unreadable or still being written, `ExecutionError` when workers cannot be started.
        """
        databases = {path: _database(path) for path in {request.db_path for request in requests}}
        golds = self._golds_of([(databases[request.db_path], request.gold_sql) for request in requests])
        work = [
            _Work(request, gold, self._key(databases, request, gold))
            for request, gold in zip(requests, golds, strict=True)
        ]
        results = self._run_predictions(work, on_progress)
        return [self._verdict(item, None if item.key is None else results[item.key]) for item in work]

    def _golds_of(self, keys: Sequence[_GoldKey]) -> list[_Gold]:
        """Each gold's outcome; those not yet known for this state of their database are run now."""
        new = [key for key in dict.fromkeys(keys) if key not in self._golds]
        jobs = [self._job(db, sql, self.limits.timeout_s, gold=True) for db, sql in new]
        golds = dict(self._golds)
        for (database, sql), outcome in zip(new, self._pool.run(jobs), strict=True):
            gold = _Gold(outcome, folded=self._folded(sql), orders=orders_rows(sql))
            golds[database, sql] = gold
            # A dead worker says nothing about the query: it is tried again next time.
            if gold.result.status is not ExecutionStatus.WORKER_DIED:
                self._golds[database, sql] = gold
        return [golds[key] for key in keys]

    def _key(self, databases: dict[str, _Database], request: JudgeRequest, gold: _Gold) -> _PredictionKey | None:
        """What makes two predictions one piece of work; None when there is nothing to run."""
        if request.prediction is None:
            return None
        return databases[request.db_path], self._folded(request.prediction), gold.outcome.segments

    def _run_predictions(
        self, work: Sequence["_Work"], on_progress: Callable[[int, int], None] | None
    ) -> dict[_PredictionKey, ExecutionResult]:
        """Run each distinct prediction once, those that may take longest first."""
        results: dict[_PredictionKey, ExecutionResult] = {}
        limits_s: dict[_PredictionKey, float] = {}
        texts: dict[_PredictionKey, str] = {}
        for item in work:
            if item.key is None or item.request.prediction is None:
                continue
            if item.key[1] == item.gold.folded and item.gold.result.status is ExecutionStatus.OK:
                results[item.key] = item.gold.result
            limits_s[item.key] = max(limits_s.get(item.key, 0.0), self._cpu_limit_s(item.gold.result))
            texts.setdefault(item.key, item.request.prediction)
        todo = sorted((key for key in texts if key not in results), key=lambda key: -limits_s[key])
        jobs = [self._job(key[0], texts[key], limits_s[key], segments=key[2]) for key in todo]
        report = _progress([item.key for item in work], todo, on_progress)
        results.update((key, outcome.result) for key, outcome in zip(todo, self._pool.run(jobs, report), strict=True))
        return results

    def _job(
        self,
        database: _Database,
        sql: str,
        cpu_limit_s: float,
        gold: bool = False,
        segments: tuple[int, ...] | None = None,
    ) -> Job:
        return Job(database.path, database.identity, sql, self.limits.timeout_s, cpu_limit_s, gold, segments)

    def _cpu_limit_s(self, gold: ExecutionResult) -> float:
        if gold.status is not ExecutionStatus.OK:
            return self.limits.timeout_s
        return min(self.limits.timeout_s, max(_SMALLEST_CPU_LIMIT_S, _TIMES_GOLD * gold.elapsed_s))

    def _folded(self, sql: str) -> str:
        # What is too long to run is not worth reading.
        return sql if len(sql) > self.limits.max_sql_bytes else fold(sql)

    def _verdict(self, item: "_Work", result: ExecutionResult | None) -> Verdict:
        gold = item.gold
        correct: bool | None = None
        if gold.result.status is ExecutionStatus.OK:
            correct = result is not None and results_match(gold.result, result, self.compare, gold.orders)
        return Verdict(prediction=item.request.prediction, result=result, gold=gold.result, correct=correct)


@dataclass(frozen=True)
class _Work:
    """A request with its gold's outcome and the key of the execution that answers it."""

    request: JudgeRequest
    gold: _Gold
    key: _PredictionKey | None


def _progress(
    keys: Sequence[_PredictionKey | None],
    todo: Sequence[_PredictionKey],
    on_progress: Callable[[int, int], None] | None,
) -> Callable[[int], None] | None:
    """A pool callback that counts requests instead of jobs; reports at once what needed no job."""
    if on_progress is None:
        return None
    waiting = dict.fromkeys(todo, 0)
    for key in keys:
        if key is not None and key in waiting:
            waiting[key] += 1
    settled = len(keys) - sum(waiting.values())
    on_progress(settled, len(keys))

    def settle(index: int) -> None:
        nonlocal settled
        settled += waiting[todo[index]]
        on_progress(settled, len(keys))

    return settle


def _database(db_path: str) -> _Database:
    """The file and its present state. Raises `DataError` if it is missing or holds changes outside the main file."""
    path = os.path.abspath(db_path)
    name = os.path.splitext(os.path.basename(path))[0]
    if not os.path.isfile(path):
        raise DataError(
            f"Database '{name}' not found: '{path}' is no file. Check the databases folder "
            f"(expected DIR/<db_id>/<db_id>.sqlite or DIR/<db_id>.sqlite)."
        )
    for suffix in ("-wal", "-journal"):
        if os.path.exists(path + suffix) and os.path.getsize(path + suffix) > 0:
            raise DataError(
                f"Database '{name}' is being written: '{path}{suffix}' is not empty. Close the program that has it "
                f"open, or run PRAGMA wal_checkpoint(TRUNCATE) on it; databases are read as immutable files."
            )
    stat = os.stat(path)
    return _Database(path, f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}")
