# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Judging goes on: workers that are killed, stopped or talk nonsense, late batches, and odd places to be called from.

Everything here goes through `SQLJudge` or `RewardScorer`, as a trainer does; the pool by itself is in `test_pool.py`.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path

import pytest

from arctic_text2sql_r1.databases.judge import JudgeRequest
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.errors import ExecutionError
from arctic_text2sql_r1.rewards.scorer import RewardScorer
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion
from arctic_text2sql_r1.types import Text2SQLExample
from arctic_text2sql_r1.types import Verdict
from tests.databases.hostile import ENDLESS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
GOLD = "SELECT name FROM item"
RIGHT = "SELECT name FROM item WHERE id > 0"
WRONG = "SELECT name FROM item WHERE id > 1"
ENDLESS_COUNT = f"{ENDLESS} SELECT count(*) FROM c"
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc, which only Linux has")


def judged(judge: SQLJudge, shop: str, *predictions: str) -> list[Verdict]:
    return judge.judge([JudgeRequest(db_path=shop, gold_sql=GOLD, prediction=sql) for sql in predictions])


def statuses(verdicts: list[Verdict]) -> list[str]:
    return [verdict.result.status.value for verdict in verdicts if verdict.result is not None]


def scored(judge: SQLJudge, shop: str, *predictions: str) -> list[ScoredCompletion]:
    examples = [Text2SQLExample(str(n), "shop", "?", GOLD, db_path=shop) for n in range(len(predictions))]
    return RewardScorer(judge).score_sql(examples, predictions)


def assert_judges_well(judge: SQLJudge, shop: str) -> None:
    assert [verdict.correct for verdict in judged(judge, shop, RIGHT, WRONG)] == [True, False]


def send(judge: SQLJudge, number: int) -> None:
    """Send a signal to every worker and wait until each has stopped or ended, without reaping it."""
    pids = judge.worker_pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    for pid in pids if hasattr(os, "waitid") else []:
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)


@contextmanager
def signals(judge: SQLJudge, number: int, after_s: tuple[float, ...]) -> Iterator[None]:
    """While the body runs, send a signal to every worker after each of these pauses."""

    def work() -> None:
        for pause_s in after_s:
            time.sleep(pause_s)
            send(judge, number)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def children(parent: int) -> dict[int, str]:
    """The processes whose parent is `parent`, and their states; Z is a zombie."""
    found: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, ppid = path.read_text().rsplit(") ", 1)[1].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(ppid) == parent:
            found[int(path.parent.name)] = state
    return found


def resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_row_whose_worker_is_killed_twice_gets_no_reward_and_the_rest_is_scored(shop: str) -> None:
    with SQLJudge(num_workers=1, timeout_s=5.0) as judge:
        assert_judges_well(judge, shop)
        with signals(judge, signal.SIGKILL, after_s=(0.4, 0.4)):
            rows = scored(judge, shop, ENDLESS_COUNT, RIGHT, WRONG)
        assert statuses([row.verdict for row in rows]) == ["worker_died", "ok", "ok"]
        assert [row.reward for row in rows] == [None, 1.0, 0.1]
        assert rows[0].verdict.result is not None and "exit status -9" in (rows[0].verdict.result.error or "")
        assert_judges_well(judge, shop)


def test_row_whose_worker_is_killed_once_is_run_again(shop: str) -> None:
    with SQLJudge(num_workers=1, timeout_s=0.6) as judge:
        assert_judges_well(judge, shop)
        with signals(judge, signal.SIGKILL, after_s=(0.2,)):
            rows = scored(judge, shop, ENDLESS_COUNT, RIGHT, WRONG)
    assert [row.reward for row in rows] == [0.0, 1.0, 0.1]


def test_stopped_workers_cost_their_rows_only_the_time_limit(shop: str) -> None:
    with SQLJudge(num_workers=2, timeout_s=1.0) as judge:
        assert_judges_well(judge, shop)
        send(judge, signal.SIGSTOP)
        start = time.monotonic()
        verdicts = judged(judge, shop, *(f"{RIGHT} AND {n}" for n in range(1, 9)))
        assert time.monotonic() - start < 10.0
        # One row for each worker that was ready when it was stopped: the second may have been starting still.
        assert Counter(statuses(verdicts)) in (Counter(timeout=2, ok=6), Counter(timeout=1, ok=7))


def test_workers_that_are_all_killed_while_starting_are_replaced(shop: str) -> None:
    with SQLJudge(num_workers=6, timeout_s=5.0) as judge:
        send(judge, signal.SIGKILL)
        with signals(judge, signal.SIGKILL, after_s=(0.02,)):
            assert_judges_well(judge, shop)
        assert_judges_well(judge, shop)


@needs_proc
def test_kills_leave_no_zombie_and_no_open_descriptor(shop: str) -> None:
    others, fds = set(children(os.getpid())), len(os.listdir("/proc/self/fd"))  # of tests before this one

    def own() -> dict[int, str]:
        return {pid: state for pid, state in children(os.getpid()).items() if pid not in others}

    with SQLJudge(num_workers=3, timeout_s=5.0) as judge:
        assert_judges_well(judge, shop)
        open_fds = len(os.listdir("/proc/self/fd"))
        for _ in range(4):
            send(judge, signal.SIGKILL)
            assert_judges_well(judge, shop)
        assert len(os.listdir("/proc/self/fd")) == open_fds
        assert "Z" not in own().values()
    assert (own(), len(os.listdir("/proc/self/fd"))) == ({}, fds)


@needs_proc
@pytest.mark.parametrize("noise", [b"\xff" * 30_000, b"\0\0\0\2{{", b"\0\0\0\2{}", b"\0\0\0\4null", b"\0\0\0\1"])
def test_worker_that_talks_nonsense_is_replaced(noise: bytes, shop: str) -> None:
    with SQLJudge(num_workers=1, timeout_s=0.5) as judge:
        assert_judges_well(judge, shop)
        worker = judge._pool._workers[0]
        pipe = os.readlink(f"/proc/self/fd/{worker.output_fd}")
        there = [path for path in Path(f"/proc/{worker.pid}/fd").iterdir() if os.readlink(path) == pipe]
        there[0].write_bytes(noise)
        assert judged(judge, shop, f"{RIGHT} AND 1")[0].result is not None
        assert_judges_well(judge, shop)
        assert judge.worker_pids != [worker.pid]


@needs_proc
def test_what_a_library_prints_inside_a_worker_does_not_get_between_its_answers(shop: str) -> None:
    with SQLJudge(num_workers=1, timeout_s=5.0) as judge:
        assert_judges_well(judge, shop)
        pids = judge.worker_pids
        Path(f"/proc/{pids[0]}/fd/1").write_text("a warning of some library\n")
        assert_judges_well(judge, shop)
        assert judge.worker_pids == pids


@needs_proc
def test_late_batch_returns_without_blame_and_leaves_no_process_busy(shop: str) -> None:
    before = set(children(os.getpid()))
    with SQLJudge(num_workers=2, timeout_s=30.0, batch_timeout_s=0.7) as judge:
        assert_judges_well(judge, shop)
        start = time.monotonic()
        rows = scored(judge, shop, RIGHT, *(f"{ENDLESS_COUNT} WHERE n <> {n}" for n in range(40)))
        assert time.monotonic() - start < 2.0
        assert [row.reward for row in rows] == [1.0] + [None] * 40
        last = rows[-1].verdict.result
        assert last is not None and "did not run within the 0.7 s" in (last.error or "")
        assert set(children(os.getpid())) - before == set(judge.worker_pids)
        assert_judges_well(judge, shop)


@needs_proc
def test_nothing_uses_cpu_once_a_call_has_returned(shop: str) -> None:
    with SQLJudge(num_workers=2, timeout_s=0.2) as judge:
        judged(judge, shop, RIGHT, ENDLESS_COUNT, "SELECT printf('%.*c', 1000000000, 'x')")
        time.sleep(0.5)  # the killed worker's successor starts meanwhile
        before = time.process_time(), [Path(f"/proc/{pid}/stat").read_text() for pid in judge.worker_pids]
        time.sleep(0.5)
        assert time.process_time() - before[0] < 0.05
        assert [Path(f"/proc/{pid}/stat").read_text().split()[13:15] for pid in judge.worker_pids] == [
            text.split()[13:15] for text in before[1]
        ]


@needs_proc
def test_memory_stays_flat_over_thousands_of_rows(shop: str) -> None:
    def batch(start: int) -> list[str]:
        forms = (
            "SELECT name, {0} FROM item", "DELETE FROM item WHERE id = {0}", "SELECT {0} FROM nowhere", "SELEC {0}",
            "SELECT '\ud800', {0}", "SELECT hex(zeroblob({0} + 20000))", "SELECT zeroblob(90000000 + {0})",
            "SELECT n + {0} FROM many LIMIT 1000",
        )  # fmt: skip
        return [forms[n % len(forms)].format(n) for n in range(start, start + 400)]

    with SQLJudge(num_workers=1, timeout_s=5.0, max_rows=2000) as judge:
        judged(judge, shop, *batch(0))
        processes = os.getpid(), *judge.worker_pids
        before = [resident_kib(pid) for pid in processes]
        for start in range(400, 2400, 400):
            judged(judge, shop, *batch(start))
        assert (os.getpid(), *judge.worker_pids) == processes
        assert max(resident_kib(pid) - kib for pid, kib in zip(processes, before, strict=True)) < 4096


@pytest.mark.parametrize("where", ["interpreter", "folder"])
def test_pool_recovers_when_workers_can_be_started_again(
    where: str, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SQLJudge(num_workers=2, timeout_s=5.0) as judge:
        send(judge, signal.SIGKILL)
        with monkeypatch.context() as patch:
            if where == "interpreter":
                patch.setattr(sys, "executable", "/nowhere/python")
            else:
                patch.setattr(tempfile, "tempdir", "/nowhere/tmp")
            for _ in range(2):
                with pytest.raises(ExecutionError, match="Cannot start an SQL worker"):
                    judged(judge, shop, RIGHT)
        assert_judges_well(judge, shop)


def test_prediction_judged_by_a_worn_worker_cannot_make_a_database_look_damaged(shop: str, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"this is no database" * 1000)
    with SQLJudge(num_workers=3, timeout_s=5.0) as judge:
        judged(judge, shop, *(f"{RIGHT} AND {n}" for n in range(1, 400)))  # every worker has run something
        pids = judge.worker_pids
        with pytest.raises(DataError, match="Cannot read database"):
            judged(judge, str(damaged), RIGHT)
        assert set(judge.worker_pids) != set(pids)  # said by a process that had run nothing before


WORK = """
import sys
sys.path.insert(0, {root!r})
from arctic_text2sql_r1.databases.judge import JudgeRequest, SQLJudge

def work():
    with SQLJudge(num_workers=2, timeout_s=0.4) as judge:
        verdicts = judge.judge([JudgeRequest({shop!r}, {gold!r}, sql) for sql in {predictions!r}])
        for verdict in verdicts:
            print(verdict.result.status.value, verdict.correct, flush=True)
"""
PREDICTIONS = (RIGHT, WRONG, "SELECT printf('%.*c', 1000000000, 'x')", "DELETE FROM item")
EXPECTED = ["ok True", "ok False", "timeout False", "denied False"]
PLACES = dict(
    plain="work()",
    thread="import threading; thread = threading.Thread(target=work); thread.start(); thread.join()",
    event_loop="import asyncio\nasync def main():\n    work()\nasyncio.run(main())",
    event_loop_thread="import asyncio\nasync def main():\n    await asyncio.to_thread(work)\nasyncio.run(main())",
    closed_stdin="import os; os.close(0); work()",
    deleted_folder="import os, tempfile; path = tempfile.mkdtemp(); os.chdir(path); os.rmdir(path); work()",
    empty_environment="import os; os.environ.clear(); work()",
    odd_environment="import os; os.environ.update({name: '/nowhere' for name in "
    "('PATH', 'PYTHONPATH', 'PYTHONHOME', 'HOME', 'PYTHONSTARTUP')}); work()",
    ignored_children="import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); work()",
    greedy_reaper="import os, signal\nsignal.signal(signal.SIGCHLD, lambda *_: os.waitpid(-1, os.WNOHANG))\nwork()",
    forked_child="import os\npid = os.fork()\nif pid == 0:\n    work()\n    os._exit(0)\nos.waitpid(pid, 0)",
    lower_hard_limits="import resource as r\nr.setrlimit(r.RLIMIT_AS, (2**29, 2**29))\n"
    "r.setrlimit(r.RLIMIT_CPU, (20, 20))\nwork()",
)


@pytest.mark.parametrize("place", PLACES)
def test_judge_works_in_odd_places(place: str, shop: str) -> None:
    script = WORK.format(root=str(ROOT), shop=shop, gold=GOLD, predictions=PREDICTIONS) + PLACES[place]
    # The program comes through stdin, as in a notebook there is no __main__ file.
    command = [sys.executable, "-"]
    run = subprocess.run(command, input=script, capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout.splitlines() == EXPECTED, run.stderr
    assert run.stderr == ""


def test_cpu_limit_is_told_from_a_death_when_nobody_knows_the_exit_status(shop: str) -> None:
    # SIGXCPU ends the worker long before the wall limit, and with SIGCHLD ignored its exit status is lost.
    script = WORK.format(root=str(ROOT), shop=shop, gold=GOLD, predictions=PREDICTIONS[2:3])
    script = script.replace("timeout_s=0.4", "timeout_s=30.0") + PLACES["ignored_children"]
    run = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout.splitlines() == ["timeout False"], run.stderr
