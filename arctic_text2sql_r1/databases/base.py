# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The one interface that every database engine offers, and the limits under which SQL runs.

An engine lives inside a worker process (`worker.py`); it opens one database and runs one statement at a time. How
the rows are judged is no business of an engine: it hands each row to a sink (`compare.RowDigester` is one). Worker
processes and their deaths are in `pool.py`; the first engine is `sqlite.py`. Standard library only, because every
worker imports this.

An engine is one module of this package with two functions: `locate(db_path) -> Database`, called in the parent, and
`open_engine(location, limits) -> Engine`, called in the worker. `engines.py` says which module serves which path.
"""

import math
import time
from dataclasses import dataclass
from dataclasses import replace
from typing import Any
from typing import Literal
from typing import Protocol

from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ResultDigests
from arctic_text2sql_r1.types import RowOverlap

Row = tuple[Any, ...]
CompareRows = bool | Literal["cells"]  # whether results are set beside gold's row by row, or cell by cell as well
_LONGEST_S = 86_400.0


@dataclass(frozen=True)
class ExecutionLimits:
    """What one statement may use, whoever wrote it.

    `max_bytes` bounds the encoded size of a result; `heap_bytes` the engine's own memory; `address_space_bytes` the
    whole worker process; `max_sql_bytes` the statement's text; `max_value_bytes` one string or blob. `grace_s` is
    how long after a deadline the parent waits before it kills the worker.
    """

    timeout_s: float = 5.0
    max_rows: int = 100_000
    max_bytes: int = 64 * 2**20
    heap_bytes: int = 256 * 2**20
    address_space_bytes: int = 2**30
    max_sql_bytes: int = 500_000
    max_value_bytes: int = 10_000_000
    grace_s: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f"ExecutionLimits.{name} is {value!r}; expected a number above 0, and finite.")
        if self.timeout_s > _LONGEST_S:
            raise ValueError(
                f"A time limit of {self.timeout_s:g} s is no limit; expected at most {_LONGEST_S:g}, a day."
            )


@dataclass(frozen=True)
class Database:
    """One state of one database: the engine module's name, where it is, and a text that changes when its data do."""

    engine: str
    location: str
    identity: str


@dataclass(frozen=True)
class GoldProfile:
    """What of a gold result the worker needs that runs a prediction; small, and never the rows themselves.

    `row_count` is 0 when gold did not run. `segments` are the tie groups under which the ordered digest is taken (see
    `compare.RowDigester`); None means that every row has its own place. `rows` packs one hash per row, and one per
    cell for Soft-F1 (see `packed_rows` of the digesters); None when there are too many rows, or nobody asks what the
    two results have in common.
    """

    row_count: int = 0
    segments: tuple[int, ...] | None = None
    rows: str | None = None


@dataclass(frozen=True)
class Job:
    """One statement to run against one state of one database.

    `timeout_s` is wall time, after which the job is over whatever happens; `cpu_limit_s` is CPU time of the worker,
    which does not depend on how busy the machine is. `compare` is the mode of `compare.py`. `golds` are the golds
    against which a prediction is to be judged, None for a gold query itself: that never shares a connection with a
    prediction, and its answer carries its profile. With `compare_rows` the answer says how many rows a prediction has
    in common with each gold; "cells", in mode `bird` alone, asks for its Soft-F1 too. `show_rows` is how many of its
    first rows a prediction's answer brings along as they are.
    """

    database: Database
    sql: str
    timeout_s: float
    cpu_limit_s: float
    compare: str = "default"
    golds: tuple[GoldProfile, ...] | None = None
    compare_rows: CompareRows = False
    show_rows: int = 0


@dataclass(frozen=True)
class GoldView:
    """What of an execution depends on the gold it is judged against."""

    digests: ResultDigests
    overlap: RowOverlap | None


@dataclass(frozen=True)
class ShownRows:
    """Every column's name, and the first rows of a result in forms that JSON carries (`shown.py`)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class JobResult:
    """One execution, how each of its golds sees it (a gold query: itself), and, of a gold query that ran, its profile.

    `shown` are its first rows, of a prediction that ran and whose job asked for some.
    Without views the execution is the same to all golds: it yielded no rows, or more rows than any of them.
    """

    result: ExecutionResult
    views: tuple[GoldView, ...] = ()
    profile: GoldProfile | None = None
    shown: ShownRows | None = None

    def seen_by(self, index: int) -> ExecutionResult:
        """The execution as the gold at `index` sees it."""
        if len(self.views) == 0:
            return self.result
        return replace(self.result, digests=self.views[index].digests, overlap=self.views[index].overlap)


class Deadline:
    """When a job is over: so much wall time or so much CPU time of this thread from now, whichever ends first.

    An engine whose work is done in another process (a server) can only heed the wall time.
    """

    def __init__(self, timeout_s: float, cpu_limit_s: float) -> None:
        now = time.monotonic()
        self.allowance = f"{cpu_limit_s:.3g} s of CPU time, {timeout_s:g} s in all"
        self._wall_end = now + timeout_s
        self._cpu_end = time.thread_time() + cpu_limit_s
        # A thread uses CPU time no faster than time passes, so the CPU clock, a system call, need not be read before.
        self._cpu_look_at = now + cpu_limit_s

    def passed(self) -> bool:
        """Whether the job is over."""
        now = time.monotonic()
        if now > self._wall_end:
            return True
        if now < self._cpu_look_at:
            return False
        left_s = self._cpu_end - time.thread_time()
        self._cpu_look_at = now + left_s
        return left_s < 0


class DatabaseUnusable(Exception):
    """The database itself cannot be opened or read; crosses the pipe and becomes a `DataError` in the parent."""


class RowSink(Protocol):
    """Takes a result set row by row while the engine fetches it."""

    def begin(self, column_names: tuple[str, ...]) -> None:
        """Called before the first row, when the statement is known to yield a result set.

        Called again when the statement has to be run again: whatever was added before is void.
        """

    def add(self, row: Row) -> int:
        """Take one row; returns its size in bytes, which counts against `max_bytes`."""


class Engine(Protocol):
    """One open database inside a worker.

    `execute` runs exactly one statement until a deadline (the parent kills what cannot be interrupted) and maps
    whatever happens to an `ExecutionStatus`; it raises only for faults of ours. Its result has no digests and no
    sample rows: those are the sink's. It must leave no state behind that a later statement could see.
    """

    def execute(self, sql: str, deadline: Deadline, sink: RowSink) -> ExecutionResult: ...

    def close(self) -> None: ...
