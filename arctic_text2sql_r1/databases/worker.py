# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A worker process: reads jobs from stdin, runs each on an engine, writes what came of it to stdout.

Started by `pool.py` as a bare interpreter, never by fork: nothing of the trainer (torch, CUDA, sockets, locks) can be
reached from here. Messages are JSON with a length in front, so that a worker which hostile SQL has taken over still
cannot make the parent run anything. The process bounds itself before it reads the first job, and ends itself when its
parent closes the pipe or dies, whatever it is doing. Standard library only: start-up time is paid per killed query.
"""

import json
import math
import os
import resource
import select
import struct
import sys
import threading
import time
from collections import OrderedDict
from dataclasses import replace
from typing import Any
from typing import BinaryIO

from arctic_text2sql_r1.databases.base import Database
from arctic_text2sql_r1.databases.base import DatabaseUnusable
from arctic_text2sql_r1.databases.base import Deadline
from arctic_text2sql_r1.databases.base import Engine
from arctic_text2sql_r1.databases.base import ExecutionLimits
from arctic_text2sql_r1.databases.base import GoldProfile
from arctic_text2sql_r1.databases.base import GoldView
from arctic_text2sql_r1.databases.base import Job
from arctic_text2sql_r1.databases.base import JobResult
from arctic_text2sql_r1.databases.compare import SPIDER_MODES
from arctic_text2sql_r1.databases.compare import RowDigester
from arctic_text2sql_r1.databases.engines import open_engine
from arctic_text2sql_r1.databases.shown import ShowingSink
from arctic_text2sql_r1.databases.soft_f1 import CellDigester
from arctic_text2sql_r1.databases.spider import PermutationDigester
from arctic_text2sql_r1.databases.ties import GoldDigester
from arctic_text2sql_r1.databases.ties import KeyedDigester
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus

_OPEN_ENGINES = 8
_HEADER = struct.Struct(">I")
_MAX_ERROR_CHARACTERS = 500
_SHOWN_COLUMNS = 100  # a statement chooses names and values: an answer must stay small, whatever they are


class EngineCache:
    """The most recently used engines, by database, its state, and role (gold or prediction)."""

    def __init__(self, limits: ExecutionLimits) -> None:
        self._limits = limits
        self._engines: OrderedDict[tuple[Database, bool], Engine] = OrderedDict()

    def get(self, job: Job) -> Engine:
        key = (job.database, job.golds is None)
        if key not in self._engines:
            if len(self._engines) >= _OPEN_ENGINES:
                self._engines.popitem(last=False)[1].close()
            try:
                self._engines[key] = open_engine(job.database, self._limits)
            except MemoryError as error:
                raise DatabaseUnusable("out of memory while it was opened") from error
        self._engines.move_to_end(key)
        return self._engines[key]


def run_job(engine: Engine, job: Job) -> JobResult:
    """Run one job on an open engine and digest its rows."""
    deadline = Deadline(job.timeout_s, job.cpu_limit_s)
    digester = _digester(job)
    showing = ShowingSink(digester, job.show_rows) if job.show_rows > 0 else None
    result = engine.execute(job.sql, deadline, digester if showing is None else showing)
    if result.status is not ExecutionStatus.OK:
        return JobResult(_with_short_error(result))
    result = replace(
        result,
        column_names=digester.short_column_names[:_SHOWN_COLUMNS],
        sample_rows=tuple(row[:_SHOWN_COLUMNS] for row in digester.sample_rows),
    )
    if job.golds is not None:
        views = _views(job.golds, digester) if digester.row_count == result.row_count else ()
        return JobResult(result, views, shown=None if showing is None else showing.shown)
    segments = _tie_segments(engine, digester, deadline) if isinstance(digester, GoldDigester) else None
    itself = GoldProfile(result.row_count, segments, digester.packed_rows() if job.compare_rows else None)
    return JobResult(result, _views((itself,), digester), itself)


def _views(golds: tuple[GoldProfile, ...], digester: RowDigester) -> tuple[GoldView, ...]:
    by_segments = {segments: digester.digests(segments) for segments in {gold.segments for gold in golds}}
    return tuple(
        GoldView(by_segments[gold.segments], None if gold.rows is None else digester.overlap(gold.rows))
        for gold in golds
    )


def _digester(job: Job) -> RowDigester:
    """The row sink that a job needs in its comparison mode."""
    if job.compare in SPIDER_MODES:
        return PermutationDigester(job.compare)
    if job.compare_rows == "cells":
        return CellDigester(most_rows=None if job.golds is None else max(gold.row_count for gold in job.golds))
    if job.compare != "default":
        return RowDigester(job.compare)
    if job.golds is None:
        return GoldDigester(job.sql)
    if job.compare_rows:
        return RowDigester()
    return RowDigester(most_rows=max(gold.row_count for gold in job.golds))


def _tie_segments(engine: Engine, plain: GoldDigester, deadline: Deadline) -> tuple[int, ...] | None:
    """The tie groups of a gold result, None when every row has its own place or the groups cannot be learnt."""
    if plain.keyed is None or plain.row_count < 2:
        return None
    ties = plain.ties
    if ties is None:
        digester = KeyedDigester(plain.keyed)
        result = engine.execute(plain.keyed.sql, deadline, digester)
        if result.status is not ExecutionStatus.OK or digester.digests().ordered != plain.digests().ordered:
            return None
        ties = digester.ties
    return tuple(ties.sizes) if len(ties.sizes) < plain.row_count else None


def _with_short_error(result: ExecutionResult) -> ExecutionResult:
    return replace(result, error=(result.error or "")[:_MAX_ERROR_CHARACTERS])


def answer(cache: EngineCache, job: Job) -> JobResult | dict[str, str]:
    """The message that goes back to the parent for one job: what came of it, or what is wrong with the database."""
    try:
        return run_job(cache.get(job), job)
    except DatabaseUnusable as error:
        return dict(database_unusable=str(error))
    except MemoryError:
        # Digesting ran into the limit of the whole process: the statement's size is to blame all the same.
        return JobResult(ExecutionResult(ExecutionStatus.MEMORY, error="worker process out of memory"))


def read_message(stream: BinaryIO) -> Any | None:
    """The next message, None at the end of the stream."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    return json.loads(stream.read(_HEADER.unpack(header)[0]))


def encode_message(message: Any) -> bytes:
    """A message as it goes over the pipe, records as objects. ASCII only, so that lone surrogates pass."""
    body = json.dumps(message, default=vars).encode("ascii")
    return _HEADER.pack(len(body)) + body


def _parse_job(message: dict[str, Any]) -> Job:
    golds = message.pop("golds")
    return Job(
        database=Database(**message.pop("database")),
        golds=None if golds is None else tuple(_parse_gold(**gold) for gold in golds),
        **message,
    )


def _parse_gold(row_count: int, segments: list[int] | None, rows: str | None) -> GoldProfile:
    return GoldProfile(row_count, None if segments is None else tuple(segments), rows)


def bound_process(limits: ExecutionLimits) -> None:
    """No files written, no core dump, a bounded address space. Limits that are already lower stay."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform.startswith("linux"):  # elsewhere the call is refused or without effect
        size = _allowed(resource.RLIMIT_AS, limits.address_space_bytes)
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _allowed(kind: int, wanted: int) -> int:
    """`wanted`, or the hard limit that this process was started under if that is lower."""
    hard = resource.getrlimit(kind)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def allow_cpu(job: Job) -> None:
    """Let the kernel end this process when a job uses far more CPU time than it may and no callback stops it.

    The limit counts whole seconds of the process's life, so it strikes one to two seconds late.
    """
    soft_s = _allowed(resource.RLIMIT_CPU, math.ceil(time.process_time() + job.cpu_limit_s) + 1)
    resource.setrlimit(resource.RLIMIT_CPU, (soft_s, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def end_with_parent(stdin_fd: int, parent: int) -> None:
    """End this process once the other end of stdin is closed or the parent is gone. Runs in a thread of its own.

    SQLite releases the interpreter lock, so this also works in the middle of an endless query.
    """
    poll = select.poll()
    poll.register(stdin_fd, 0)
    while os.getppid() == parent:
        if any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(1000)):
            break
    os._exit(0)


def main() -> None:
    """Serve jobs until stdin ends. The arguments are the limits as JSON and the parent's process id."""
    limits = ExecutionLimits(**json.loads(sys.argv[1]))
    threading.Thread(target=end_with_parent, args=(sys.stdin.fileno(), int(sys.argv[2])), daemon=True).start()
    bound_process(limits)
    cache = EngineCache(limits)
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed must not get between the answers
    output.write(encode_message(dict(ready=True)))
    output.flush()
    worn = False
    while (message := read_message(sys.stdin.buffer)) is not None:
        job = _parse_job(message)
        allow_cpu(job)
        reply = answer(cache, job)
        if worn and isinstance(reply, dict):
            # What earlier statements left behind (memory, descriptors) may be to blame: a new process has to say so.
            reply["worn"] = "yes"
        worn = True
        output.write(encode_message(reply))
        output.flush()


if __name__ == "__main__":
    main()
