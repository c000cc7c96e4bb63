# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Judges predictions against gold SQL: what has to be run, how long it may take, and whether the results agree.

Gold runs first, once per state of its database, on connections that no prediction uses. Predictions on one database
that fold to the same text run once, whichever golds they answer. How statements are run is in `pool.py`, what "agree"
means in `compare.py`; what a verdict is worth is decided in `rewards/`.
"""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

from arctic_text2sql_r1.databases.base import Database
from arctic_text2sql_r1.databases.base import ExecutionLimits
from arctic_text2sql_r1.databases.base import GoldProfile
from arctic_text2sql_r1.databases.base import Job
from arctic_text2sql_r1.databases.compare import SPIDER_MODES
from arctic_text2sql_r1.databases.compare import check_mode
from arctic_text2sql_r1.databases.compare import results_match
from arctic_text2sql_r1.databases.engines import locate
from arctic_text2sql_r1.databases.pool import WorkerPool
from arctic_text2sql_r1.databases.spider import spider_orders
from arctic_text2sql_r1.databases.spider import spider_text
from arctic_text2sql_r1.databases.sqltext import fold
from arctic_text2sql_r1.databases.sqltext import orders_rows
from arctic_text2sql_r1.databases.sqltext import without_tail
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

    database: Database
    result: ExecutionResult
    profile: GoldProfile
    folded: str
    orders: bool


_GoldKey = tuple[Database, str]


class SQLJudge:
    """Turns requests into verdicts with a pool of worker processes. Use as a context manager or call `close`.

    `timeout_s` bounds the wall time of every statement, and a prediction may use no more CPU time than
    min(timeout_s, max(1 s, 10 x gold's time)). `max_rows` bounds every result. `compare` is a mode of `compare.py`.
    `batch_timeout_s` bounds each of the two rounds (golds, predictions) of one call; unset, the sum of what its
    statements may take does. One judge per process (rank); thread-safe.
    """

    def __init__(
        self,
        num_workers: int = 2,
        timeout_s: float = 5.0,
        max_rows: int = 100_000,
        compare: str = "default",
        batch_timeout_s: float | None = None,
    ) -> None:
        check_mode(compare)
        self.compare = compare
        self.batch_timeout_s = batch_timeout_s
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
        self,
        requests: Sequence[JudgeRequest],
        on_progress: Callable[[int, int], None] | None = None,
        compare_rows: bool = False,
    ) -> list[Verdict]:
        """The verdict on each request, in the order of `requests`.

        With `compare_rows` each result that can be compared has its `overlap` with gold; without, the default mode
        does not look at all rows of a result that is larger than gold's, which then has no digests. `on_progress` is
        called with (requests settled, all requests) as work gets done. Raises `DataError` when a database is missing,
        unreadable or still being written, `ExecutionError` when workers cannot be started.
        """
        databases = {path: locate(path) for path in {request.db_path for request in requests}}
        gold_keys = [(databases[request.db_path], request.gold_sql) for request in requests]
        golds = self._golds_of(gold_keys)
        items = [self._item(request, golds[key]) for request, key in zip(requests, gold_keys, strict=True)]
        executions = _executions(items)
        self._run(executions, _progress(executions, len(items), on_progress), compare_rows)
        return [self._verdict(item, executions) for item in items]

    def forget_golds(self) -> None:
        """Run every gold again when it is next needed, as if none had been run before."""
        self._golds.clear()

    def _golds_of(self, keys: Sequence[_GoldKey]) -> dict[_GoldKey, _Gold]:
        """Each gold's outcome; those not yet known for this state of their database are run now."""
        golds = {key: self._golds[key] for key in keys if key in self._golds}
        new = [key for key in dict.fromkeys(keys) if key not in golds]
        jobs = [self._job(db, self._text(sql), self.limits.timeout_s, golds=None) for db, sql in new]
        outcomes = self._pool.run(jobs, batch_timeout_s=self.batch_timeout_s)
        for (database, sql), outcome in zip(new, outcomes, strict=True):
            golds[database, sql] = gold = _Gold(
                database=database,
                result=outcome.results[0],
                profile=outcome.profile or GoldProfile(),
                folded=self._folded(sql),
                orders=spider_orders(sql) if self.compare in SPIDER_MODES else orders_rows(sql),
            )
            # A dead worker says nothing about the query: it is tried again next time.
            if gold.result.status is not ExecutionStatus.WORKER_DIED:
                self._golds[database, sql] = gold
        return golds

    def _item(self, request: JudgeRequest, gold: _Gold) -> "_Item":
        folded = None if request.prediction is None else self._folded(request.prediction)
        return _Item(request, gold, folded)

    def _run(self, executions: "_Executions", on_done: Callable[[int], None] | None, compare_rows: bool) -> None:
        """Run each distinct prediction once, those of the slowest golds first, and file what came of it."""
        slowest_first = _slowest_first(executions)
        jobs = [
            self._job(
                one.database,
                self._text(one.sql),
                max(self._cpu_limit_s(gold.result) for gold in one.golds),
                golds=tuple(gold.profile if compare_rows else replace(gold.profile, rows=None) for gold in one.golds),
            )
            for one in slowest_first
        ]
        outcomes = self._pool.run(jobs, on_done, self.batch_timeout_s)
        for one, outcome in zip(slowest_first, outcomes, strict=True):
            one.results.extend(outcome.results)

    def _job(self, database: Database, sql: str, cpu_limit_s: float, golds: tuple[GoldProfile, ...] | None) -> Job:
        return Job(database, sql, self.limits.timeout_s, cpu_limit_s, compare=self.compare, golds=golds)

    def _cpu_limit_s(self, gold: ExecutionResult) -> float:
        if gold.status is not ExecutionStatus.OK:
            return self.limits.timeout_s
        return min(self.limits.timeout_s, max(_SMALLEST_CPU_LIMIT_S, _TIMES_GOLD * gold.elapsed_s))

    def _text(self, sql: str) -> str:
        """The statement that is run for `sql` in this comparison mode."""
        if self._will_be_refused(sql):
            return sql
        if self.compare in SPIDER_MODES:
            sql = spider_text(sql, keep_distinct=self.compare != "spider")
        return without_tail(sql) if ";" in sql else sql

    def _folded(self, sql: str) -> str:
        return sql if self._will_be_refused(sql) else fold(self._text(sql))

    def _will_be_refused(self, sql: str) -> bool:
        """Whether no engine gets to see it, even if what is wrong with it stands in a comment that folding drops."""
        if len(sql) > self.limits.max_sql_bytes or "\0" in sql:
            return True
        try:
            return len(sql.encode("utf-8")) > self.limits.max_sql_bytes
        except UnicodeEncodeError:
            return True

    def _verdict(self, item: "_Item", executions: "_Executions") -> Verdict:
        gold = item.gold
        result = None
        if item.is_gold_itself:
            result = gold.result
        elif item.folded is not None:
            result = executions[item.key].result_against(gold)
        correct: bool | None = None
        if gold.result.status is ExecutionStatus.OK:
            correct = result is not None and results_match(gold.result, result, self.compare, gold.orders)
        return Verdict(prediction=item.request.prediction, result=result, gold=gold.result, correct=correct)


@dataclass(frozen=True)
class _Item:
    """A request with its gold and its prediction's folded text, None when there is nothing to run."""

    request: JudgeRequest
    gold: _Gold
    folded: str | None

    @property
    def key(self) -> tuple[Database, str | None]:
        return self.gold.database, self.folded

    @property
    def is_gold_itself(self) -> bool:
        """Whether the prediction says what a gold that ran says, so that running it would tell nothing new."""
        return self.folded == self.gold.folded and self.gold.result.status is ExecutionStatus.OK


@dataclass
class _Execution:
    """One distinct prediction on one database, the different golds it is judged against, and how many requests ask."""

    database: Database
    sql: str
    golds: list[_Gold] = field(default_factory=list)
    requests: int = 0
    results: list[ExecutionResult] = field(default_factory=list)

    @property
    def expected_s(self) -> float:
        return max(gold.result.elapsed_s for gold in self.golds)

    def result_against(self, gold: _Gold) -> ExecutionResult:
        return next(result for one, result in zip(self.golds, self.results, strict=True) if one is gold)


_Executions = dict[tuple[Database, str | None], _Execution]


def _executions(items: Sequence[_Item]) -> _Executions:
    """What has to be run for `items`."""
    executions: _Executions = {}
    for item in items:
        if item.request.prediction is None or item.is_gold_itself:
            continue
        one = executions.setdefault(item.key, _Execution(item.gold.database, item.request.prediction))
        one.requests += 1
        if not any(gold is item.gold for gold in one.golds):
            one.golds.append(item.gold)
    return executions


def _progress(
    executions: _Executions, requests: int, on_progress: Callable[[int, int], None] | None
) -> Callable[[int], None] | None:
    """A pool callback that counts requests instead of jobs; reports at once what needed no job."""
    if on_progress is None:
        return None
    waiting = [one.requests for one in _slowest_first(executions)]
    settled = requests - sum(waiting)
    on_progress(settled, requests)

    def settle(index: int) -> None:
        nonlocal settled
        settled += waiting[index]
        on_progress(settled, requests)

    return settle


def _slowest_first(executions: _Executions) -> list[_Execution]:
    return sorted(executions.values(), key=lambda one: -one.expected_s)
