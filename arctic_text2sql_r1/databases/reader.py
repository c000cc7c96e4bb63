# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Runs statements for the sake of their rows: no gold, no verdict, the same sandbox as everything else.

How statements run is in `pool.py`, which rows come back in `shown.py`. Predictions that are to be compared with gold
are judged in `judge.py`.
"""

from collections.abc import Sequence

from arctic_text2sql_r1.databases.base import ExecutionLimits
from arctic_text2sql_r1.databases.base import GoldProfile
from arctic_text2sql_r1.databases.base import Job
from arctic_text2sql_r1.databases.base import JobResult
from arctic_text2sql_r1.databases.engines import locate
from arctic_text2sql_r1.databases.pool import WorkerPool
from arctic_text2sql_r1.databases.sqltext import without_tail


class SQLReader:
    """Runs statements in worker processes. Use as a context manager or call `close`.

    `timeout_s` bounds one statement, in wall time; `show_rows` is how many rows come back at most.
    """

    def __init__(self, timeout_s: float, show_rows: int, num_workers: int = 2) -> None:
        self._show_rows = show_rows
        self._pool = WorkerPool(num_workers, ExecutionLimits(timeout_s=timeout_s))

    def __enter__(self) -> "SQLReader":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes; none is left when this returns."""
        self._pool.close()

    def read(self, db_path: str, statements: Sequence[str]) -> list[JobResult]:
        """What came of each statement: its execution with digests of all rows, and its first rows as `shown`.

        Raises `DataError` when the database is missing, unreadable or being written.
        """
        database, limit_s = locate(db_path), self._pool.limits.timeout_s
        # A gold without rows stands for none; `compare_rows` has every row digested all the same.
        jobs = [
            Job(
                database,
                without_tail(sql) if ";" in sql else sql,
                timeout_s=limit_s,
                cpu_limit_s=limit_s,
                golds=(GoldProfile(),),
                compare_rows=True,
                show_rows=self._show_rows,
            )
            for sql in statements
        ]
        return self._pool.run(jobs)
