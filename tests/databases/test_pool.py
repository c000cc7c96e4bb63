# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The pool: it comes back whatever happens to its workers, and nothing is left when it is closed."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from arctic_text2sql_r1.databases.base import Database
from arctic_text2sql_r1.databases.base import ExecutionLimits
from arctic_text2sql_r1.databases.base import Job
from arctic_text2sql_r1.databases.pool import WorkerPool
from arctic_text2sql_r1.errors import ExecutionError
from arctic_text2sql_r1.types import ExecutionStatus

ROOT = Path(__file__).resolve().parents[2]
LIMITS = ExecutionLimits(timeout_s=1.0)
ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"


def job(shop: str, sql: str, timeout_s: float = 1.0) -> Job:
    return Job(Database("sqlite", shop, "1"), sql=sql, timeout_s=timeout_s, cpu_limit_s=timeout_s)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def cpu_ticks(pid: int) -> int:
    """User and system time of a process, in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def wait_until_dead(pids: list[int], limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if not any(is_alive(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def kill_when_busy(pool: WorkerPool, times: int, signal_number: int = signal.SIGKILL) -> threading.Thread:
    """Send a signal, `times` times, to whichever worker the pool has then."""

    def work() -> None:
        for _ in range(times):
            time.sleep(0.4)
            os.kill(pool.worker_pids[0], signal_number)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_job_of_a_killed_worker_is_retried_and_the_batch_completes(shop: str) -> None:
    with WorkerPool(1, LIMITS) as pool:
        pool.run([job(shop, "SELECT 1")])
        killer = kill_when_busy(pool, times=1)
        outcomes = pool.run([job(shop, ENDLESS)] + [job(shop, f"SELECT {n}") for n in range(5)])
        killer.join()
    assert [outcome.result.status.value for outcome in outcomes] == ["timeout"] + ["ok"] * 5


def test_job_whose_worker_dies_twice_is_given_up(shop: str) -> None:
    with WorkerPool(1, LIMITS) as pool:
        pool.run([job(shop, "SELECT 1")])
        killer = kill_when_busy(pool, times=2)
        outcomes = pool.run([job(shop, ENDLESS, timeout_s=5.0), job(shop, "SELECT 1")])
        killer.join()
    assert [outcome.result.status.value for outcome in outcomes] == ["worker_died", "ok"]
    assert "exit status -9" in (outcomes[0].result.error or "")


def test_stopped_worker_counts_as_a_timeout(shop: str) -> None:
    with WorkerPool(1, LIMITS) as pool:
        pool.run([job(shop, "SELECT 1")])
        os.kill(pool.worker_pids[0], signal.SIGSTOP)
        # The statement is larger than a pipe's buffer: not even sending it may block.
        outcomes = pool.run([job(shop, f"SELECT '{'x' * 400_000}'"), job(shop, "SELECT 1")])
    assert [outcome.result.status.value for outcome in outcomes] == ["timeout", "ok"]


def test_worker_outlives_a_statement_that_sqlite_can_interrupt(shop: str) -> None:
    with WorkerPool(1, LIMITS) as pool:
        before = pool.worker_pids
        assert pool.run([job(shop, ENDLESS, timeout_s=0.1)])[0].result.status is ExecutionStatus.TIMEOUT
        assert pool.worker_pids == before


@pytest.mark.parametrize("sql", [ENDLESS, "SELECT printf('%.*c', 1000000000, 'x')"])
def test_cpu_limit_ends_a_statement_long_before_its_wall_limit(sql: str, shop: str) -> None:
    with WorkerPool(1, LIMITS) as pool:
        outcome = pool.run([Job(Database("sqlite", shop, "1"), sql=sql, timeout_s=60.0, cpu_limit_s=0.3)])[0]
    assert outcome.result.status is ExecutionStatus.TIMEOUT
    assert outcome.result.elapsed_s < 20.0


def test_worker_killed_between_batches_is_replaced(shop: str) -> None:
    with WorkerPool(2, LIMITS) as pool:
        for pid in pool.worker_pids:
            os.kill(pid, signal.SIGKILL)
        outcomes = pool.run([job(shop, f"SELECT {n}") for n in range(4)])
    assert all(outcome.result.status is ExecutionStatus.OK for outcome in outcomes)


def test_no_process_is_left_after_close(shop: str) -> None:
    pool = WorkerPool(2, LIMITS)
    pool.run([job(shop, "SELECT 1")])
    pids = pool.worker_pids
    pool.close()
    pool.close()
    assert not any(is_alive(pid) for pid in pids)  # reaped too: a zombie would still answer
    with pytest.raises(ExecutionError, match="closed"):
        pool.run([job(shop, "SELECT 1")])


def test_workers_die_with_their_parent_in_the_middle_of_a_query(shop: str) -> None:
    script = f"""
import json, sys
from arctic_text2sql_r1.databases.base import Database, ExecutionLimits, Job
from arctic_text2sql_r1.databases.pool import WorkerPool
pool = WorkerPool(2, ExecutionLimits(timeout_s=60.0))
pool.run([Job(Database("sqlite", {shop!r}, "1"), "SELECT 1", 60.0, 60.0)])
print(json.dumps(pool.worker_pids), flush=True)
pool.run([Job(Database("sqlite", {shop!r}, "1"), {ENDLESS!r}, 60.0, 60.0)] * 2)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    pids = json.loads(parent.stdout.readline())
    time.sleep(0.3)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_until_dead(pids, limit_s=5.0)


def test_idle_workers_use_no_cpu(shop: str) -> None:
    with WorkerPool(1, LIMITS) as pool:
        pool.run([job(shop, ENDLESS, timeout_s=0.1)])
        before = cpu_ticks(pool.worker_pids[0])
        time.sleep(0.5)
        assert cpu_ticks(pool.worker_pids[0]) - before <= 1


def test_worker_starts_quickly(shop: str) -> None:
    start = time.monotonic()
    with WorkerPool(1, LIMITS) as pool:
        pool.run([job(shop, "SELECT 1")])
    # 0.1 s on a quiet machine; the slack is for a busy one.
    assert time.monotonic() - start < 1.0


def test_worker_loads_nothing_but_the_standard_library() -> None:
    script = (
        f"import sys; sys.path.append({str(ROOT)!r}); import arctic_text2sql_r1.databases.worker; "
        "print(*{name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))"
    )
    run = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) - {"__main__"} == {"arctic_text2sql_r1"}


def test_pools_of_several_processes_work_at_once(shop: str) -> None:
    script = f"""
from arctic_text2sql_r1.databases.judge import JudgeRequest, SQLJudge
with SQLJudge(num_workers=1) as judge:
    requests = [JudgeRequest({shop!r}, "SELECT count(*) FROM item", f"SELECT {{n}}") for n in range(20)]
    print([v.correct for v in judge.judge(requests)].index(True))
"""
    ranks = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)
    ]
    assert [rank.communicate(timeout=60)[0].strip() for rank in ranks] == ["5", "5", "5"]


def test_threads_take_turns(shop: str) -> None:
    found: dict[int, list[int]] = {}

    def work(number: int) -> None:
        outcomes = pool.run([job(shop, f"SELECT n FROM many LIMIT {number + n}") for n in range(10)])
        found[number] = [outcome.result.row_count for outcome in outcomes]

    with WorkerPool(2, LIMITS) as pool:
        threads = [threading.Thread(target=work, args=(number,)) for number in (1, 20, 40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {number: list(range(number, number + 10)) for number in (1, 20, 40)}


def test_forked_child_may_not_use_its_parents_pool(shop: str) -> None:
    with WorkerPool(1, LIMITS) as pool:
        pool.run([job(shop, "SELECT 1")])
        pids = pool.worker_pids
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                pool.run([job(shop, "SELECT 1")])
            except ExecutionError as error:
                os.write(writing, str(error).encode())
            finally:
                pool.close()
                os._exit(0)
        os.waitpid(child, 0)
        assert select.select([reading], [], [], 5)[0] == [reading]
        assert b"make a pool in each process" in os.read(reading, 1000)
        assert pool.run([job(shop, "SELECT 1")])[0].result.status is ExecutionStatus.OK
        assert pool.worker_pids == pids
    os.close(reading)
    os.close(writing)


def test_broken_off_batch_leaves_no_worker_busy(shop: str) -> None:
    def fail(index: int) -> None:
        raise KeyboardInterrupt

    with WorkerPool(2, LIMITS) as pool:
        with pytest.raises(KeyboardInterrupt):
            pool.run([job(shop, ENDLESS, timeout_s=30.0), job(shop, "SELECT 1")], on_done=fail)
        start = time.monotonic()
        assert pool.run([job(shop, "SELECT 2")] * 3)[2].result.status is ExecutionStatus.OK
    assert time.monotonic() - start < 10.0


def test_empty_batch_comes_back_at_once() -> None:
    with WorkerPool(1, LIMITS) as pool:
        assert pool.run([]) == []


@pytest.mark.parametrize("settings", [dict(timeout_s=0.0), dict(max_rows=0), dict(max_bytes=-1)])
def test_limits_must_be_positive(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"ExecutionLimits.{next(iter(settings))}"):
        ExecutionLimits(**settings)  # type: ignore[arg-type]


def test_pool_without_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="num_workers is 0"):
        WorkerPool(0, LIMITS)
