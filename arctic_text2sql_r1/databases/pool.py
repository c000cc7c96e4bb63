# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Runs many statements in a few worker processes, and always comes back.

Each worker has at most one job. A job that is not answered `grace_s` after its time limit, or goes on using CPU time
beyond its limit, costs its worker the life and counts as a timeout; a worker that dies by itself has its job retried
once on a fresh one, then the job counts as `worker_died`. A batch has a deadline of its own, after which what has not
run counts as `worker_died` too: nobody may be blamed for it. Which statements to run is decided in `judge.py`; one
process as seen from here is `process.py`, its inside is `worker.py`.

A pool belongs to one process; each rank makes its own. Calls from several threads take turns.
"""

import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from arctic_text2sql_r1.databases.base import ExecutionLimits
from arctic_text2sql_r1.databases.base import GoldProfile
from arctic_text2sql_r1.databases.base import GoldView
from arctic_text2sql_r1.databases.base import Job
from arctic_text2sql_r1.databases.base import JobResult
from arctic_text2sql_r1.databases.process import WorkerProcess
from arctic_text2sql_r1.databases.shown import parse_shown
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.errors import ExecutionError
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus
from arctic_text2sql_r1.types import ResultDigests
from arctic_text2sql_r1.types import RowOverlap

_ATTEMPTS = 2
_FAILED_STARTS = 3
_KILLED_STARTS = 30  # a worker killed from outside while it starts says little of the next one


class WorkerPool:
    """A fixed number of workers that are replaced when they die. Use as a context manager or call `close`."""

    def __init__(self, num_workers: int, limits: ExecutionLimits) -> None:
        if num_workers < 1:
            raise ValueError(f"num_workers is {num_workers}; expected at least 1.")
        self.limits = limits
        self._owner_pid = os.getpid()
        self._lock = threading.Lock()
        self._closed = False
        self._workers: list[WorkerProcess] = []
        try:
            for _ in range(num_workers):
                self._workers.append(WorkerProcess(limits))
        except ExecutionError:
            self.close()
            raise

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def worker_pids(self) -> list[int]:
        """The processes that are alive now."""
        return [worker.pid for worker in self._workers if not worker.ended]

    def run(
        self,
        jobs: Sequence[Job],
        on_done: Callable[[int], None] | None = None,
        batch_timeout_s: float | None = None,
    ) -> list[JobResult]:
        """Run every job and return the results in the order of `jobs`, after `batch_timeout_s` at the latest.

        Without a batch timeout it is twice what the jobs may take by their own limits, and a minute for process
        starts. `on_done` is called with a job's index as soon as that job is settled. Raises `DataError` for a
        database that cannot be read and `ExecutionError` when workers cannot be started; a batch that was broken off
        so leaves no worker busy.
        """
        self._check_usable()
        with self._lock:
            batch = _Batch(jobs, on_done)
            limit_s = self._longest_s(jobs) if batch_timeout_s is None else batch_timeout_s
            batch.end = time.monotonic() + limit_s
            for place, worker in enumerate(self._workers):
                if worker.ended:  # the last batch ended late, or for want of a worker: this one tries anew
                    worker.discard()
                    self._workers[place] = WorkerProcess(self.limits)
            try:
                self._serve(batch)
            finally:
                for worker in self._workers:
                    if worker.job is not None:
                        worker.discard()
            return batch.finished(late=f"did not run within the {limit_s:g} s that its batch may take")

    def close(self) -> None:
        """End every worker; none is left when this returns. Idempotent, and harmless in a forked child."""
        if self._closed or os.getpid() != self._owner_pid:
            return
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.discard()
            self._workers = []

    def _check_usable(self) -> None:
        if self._closed:
            raise ExecutionError("The SQL worker pool is closed; make a new one.")
        if os.getpid() != self._owner_pid:
            raise ExecutionError(
                f"The SQL worker pool of process {self._owner_pid} was used in its fork {os.getpid()}; "
                f"make a pool in each process that judges SQL."
            )

    def _longest_s(self, jobs: Sequence[Job]) -> float:
        grace_s = self.limits.grace_s + 1.0  # a killed worker's successor has to start
        return 60.0 + 2 * sum(job.timeout_s + grace_s for job in jobs) / len(self._workers)

    def _serve(self, batch: "_Batch") -> None:
        while not batch.complete and time.monotonic() < batch.end:
            self._hand_out(batch)
            arrived = self._wait(batch.end)
            now = time.monotonic()
            for place, worker in enumerate(self._workers):
                if worker.has_unsent:
                    worker.flush()
                alive = self._collect(worker, batch) if worker.output_fd in arrived else True
                if alive and now < worker.kill_at:
                    continue
                self._give_up(worker, batch, died=not alive)
                self._workers[place] = self._replaced(worker)

    def _hand_out(self, batch: "_Batch") -> None:
        for worker in self._workers:
            # A job given to a worker that died while idle would lose one of its attempts.
            if worker.ready and worker.job is None and batch.waits and worker.is_running:
                job = batch.take(worker)
                worker.send(job, kill_after_s=job.timeout_s + self.limits.grace_s)

    def _wait(self, batch_end: float) -> set[int]:
        """Wait for something to read or to write, or the next deadline; the descriptors that can be read."""
        with selectors.PollSelector() as selector:  # unlike epoll it costs no descriptor and no system calls to fill
            for worker in self._workers:
                selector.register(worker.output_fd, selectors.EVENT_READ)
                if worker.has_unsent:
                    selector.register(worker.input_fd, selectors.EVENT_WRITE)
            first_deadline = min(batch_end, *(worker.kill_at for worker in self._workers))
            ready = selector.select(timeout=min(60.0, max(0.0, first_deadline - time.monotonic())))
        return {int(key.fd) for key, events in ready if events & selectors.EVENT_READ}

    def _collect(self, worker: WorkerProcess, batch: "_Batch") -> bool:
        """Take in what a worker has sent; whether it is still there and answers what it was asked."""
        messages, alive = worker.receive()
        for message in messages:
            if not worker.ready:
                worker.ready = True
            elif worker.job is None:
                return False
            else:
                try:
                    outcome = _parse(message, worker.job)
                except _WornWorker:
                    worker.job = None
                    batch.requeue(worker)
                    return False
                except (AttributeError, KeyError, TypeError, ValueError):
                    return False
                worker.job = None
                batch.settle(worker, outcome)
            worker.kill_at = float("inf")
        return alive

    def _give_up(self, worker: WorkerProcess, batch: "_Batch", died: bool) -> None:
        """Settle or requeue the job of a worker that is late or dead."""
        worker.kill()
        if not worker.ready and worker.attempt >= (_KILLED_STARTS if died and worker.was_killed else _FAILED_STARTS):
            raise ExecutionError(
                f"SQL workers do not start: {worker.attempt} in a row ended before the first job "
                f"({worker.complaint()}). Memory and process limits are the usual cause."
            )
        if worker.job is None:
            return
        worker.job = None
        if not died or worker.ran_out_of_cpu_time:
            late = "killed: the statement could not be interrupted"
            batch.settle(worker, ExecutionResult(ExecutionStatus.TIMEOUT, error=late, elapsed_s=worker.busy_s))
        elif not batch.retry(worker):
            error = f"worker died twice: {worker.complaint()}"
            batch.settle(worker, ExecutionResult(ExecutionStatus.WORKER_DIED, error=error))

    def _replaced(self, worker: WorkerProcess) -> WorkerProcess:
        worker.discard()
        return WorkerProcess(self.limits, attempt=1 if worker.ready else worker.attempt + 1)


class _WornWorker(Exception):
    """A worker that has run other jobs says that it cannot read a database; a new one has to be asked."""


class _Batch:
    """The jobs of one call: which wait, which run where, what came of them."""

    def __init__(self, jobs: Sequence[Job], on_done: Callable[[int], None] | None) -> None:
        self.end = float("inf")
        self._jobs = jobs
        self._on_done = on_done
        self._waiting = deque(range(len(jobs)))
        self._attempts = [0] * len(jobs)
        self._running: dict[WorkerProcess, int] = {}
        self._results: dict[int, JobResult] = {}

    @property
    def complete(self) -> bool:
        return len(self._results) == len(self._jobs)

    @property
    def waits(self) -> bool:
        """Whether a job waits for a worker."""
        return len(self._waiting) > 0

    def take(self, worker: WorkerProcess) -> Job:
        """The next job, now running on `worker`."""
        index = self._waiting.popleft()
        self._attempts[index] += 1
        self._running[worker] = index
        return self._jobs[index]

    def settle(self, worker: WorkerProcess, outcome: JobResult | ExecutionResult) -> None:
        """File what came of the job of `worker`; an execution result stands for itself."""
        index = self._running.pop(worker)
        if isinstance(outcome, ExecutionResult):
            outcome = JobResult(outcome)
        self._results[index] = outcome
        if self._on_done is not None:
            self._on_done(index)

    def retry(self, worker: WorkerProcess) -> bool:
        """Put the job of `worker` first in the queue again, unless it has used up its attempts."""
        if self._attempts[self._running[worker]] >= _ATTEMPTS:
            return False
        self._waiting.appendleft(self._running.pop(worker))
        return True

    def requeue(self, worker: WorkerProcess) -> None:
        """Put the job of `worker` first in the queue again, as if it had never run."""
        index = self._running.pop(worker)
        self._attempts[index] -= 1
        self._waiting.appendleft(index)

    def finished(self, late: str) -> list[JobResult]:
        """Every result; `late` is what is said of jobs that have none."""
        missing = ExecutionResult(ExecutionStatus.WORKER_DIED, error=late)
        return [self._results.get(index, JobResult(missing)) for index in range(len(self._jobs))]


def _parse(message: dict[str, Any], job: Job) -> JobResult:
    """A worker's answer as typed records.

    Raises `DataError` when it could not read the database (`_WornWorker` if it had run other jobs before), ValueError
    and its like when it is no answer to `job`.
    """
    if "worn" in message:
        raise _WornWorker
    if "database_unusable" in message:
        raise DataError(
            f"Cannot read database '{job.database.location}': {message['database_unusable']}. Expected a SQLite file; "
            f"copy or download it again."
        )
    profile, shown = message["profile"], message["shown"]
    views = tuple(_parse_view(fields) for fields in message["views"])
    if len(views) not in (0, 1 if job.golds is None else len(job.golds)):
        raise ValueError(f"{len(views)} views of {job}")
    return JobResult(
        _parse_result(message["result"]),
        views,
        profile=None if profile is None else _parse_profile(profile),
        shown=None if shown is None else parse_shown(shown),
    )


def _parse_result(fields: dict[str, Any]) -> ExecutionResult:
    return ExecutionResult(
        status=ExecutionStatus(fields["status"]),
        row_count=fields["row_count"],
        column_count=fields["column_count"],
        column_names=tuple(fields["column_names"]),
        sample_rows=tuple(tuple(row) for row in fields["sample_rows"]),
        elapsed_s=fields["elapsed_s"],
        error=fields["error"],
    )


def _parse_view(fields: dict[str, Any]) -> GoldView:
    overlap = fields["overlap"]
    return GoldView(ResultDigests(**fields["digests"]), None if overlap is None else RowOverlap(**overlap))


def _parse_profile(fields: dict[str, Any]) -> GoldProfile:
    segments = fields["segments"]
    return GoldProfile(fields["row_count"], None if segments is None else tuple(segments), fields["rows"])
