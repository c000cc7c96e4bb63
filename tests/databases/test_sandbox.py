# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The sandbox: hostile SQL ends in time, changes nothing, creates nothing, and gets the status it deserves.

The statements themselves are in `hostile.py`.
"""

import os
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from arctic_text2sql_r1.databases.judge import JudgeRequest
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.types import ExecutionStatus
from arctic_text2sql_r1.types import Verdict
from tests.databases.hostile import HONEST
from tests.databases.hostile import HOSTILE

TIMEOUT_S = 0.4
GOLD = "SELECT name FROM item"
RIGHT = "SELECT name FROM item WHERE id > 0"
WRONG = "SELECT name FROM item WHERE id > 1"
SHARED_FOLDERS = (Path("/tmp"), Path("/var/tmp"))


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that holds everything a worker could mistake for a place to write: home, temporary, working folder."""
    root = tmp_path_factory.mktemp("surroundings")
    for name in ("home", "temporary", "working"):
        (root / name).mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(root / "home"))
        patch.setenv("SQLITE_TMPDIR", str(root / "temporary"))
        patch.setattr(tempfile, "tempdir", str(root / "temporary"))
        patch.chdir(root / "working")
        yield root


@pytest.fixture(scope="module")
def lone_judge(surroundings: Path) -> Iterator[SQLJudge]:
    """One worker, so that whatever a statement leaves behind meets the next one."""
    with SQLJudge(num_workers=1, timeout_s=TIMEOUT_S, max_rows=2000) as instance:
        yield instance


def stray_files(surroundings: Path) -> list[str]:
    """What lies around, and in folders that others share whatever has a name that SQLite or hostile SQL gives."""
    shared = (name for folder in SHARED_FOLDERS for name in os.listdir(folder))
    return sorted(map(str, surroundings.rglob("*"))) + sorted(n for n in shared if n.startswith(("evil", "etilqs")))


def shortest_of_three(judge_it: Callable[[], Verdict]) -> tuple[float, Verdict]:
    """Wall time and verdict of the first attempt that is in time, else of the third: a busy machine delays some."""
    for _ in range(3):
        start = time.monotonic()
        verdict = judge_it()
        elapsed_s = time.monotonic() - start
        if elapsed_s < TIMEOUT_S + 1.0:
            break
    return elapsed_s, verdict


@pytest.mark.parametrize(("sql", "statuses"), HOSTILE, ids=lambda value: value[:40] if isinstance(value, str) else "")
def test_hostile_statement_is_stopped_and_leaves_no_trace(
    sql: str,
    statuses: set[ExecutionStatus],
    shop: str,
    lone_judge: SQLJudge,
    surroundings: Path,
    fingerprint: Callable[[str], tuple[str, list[str]]],
) -> None:
    def judge_it(prediction: str | None) -> Verdict:
        return lone_judge.judge([JudgeRequest(db_path=shop, gold_sql=GOLD, prediction=prediction)])[0]

    before = fingerprint(shop), stray_files(surroundings), judge_it("SELECT 1").gold
    elapsed_s, verdict = shortest_of_three(lambda: judge_it(sql))
    assert elapsed_s < TIMEOUT_S + 1.0
    assert verdict.result is not None
    assert verdict.result.status in statuses, verdict.result.error
    assert verdict.correct is False
    lone_judge.forget_golds()
    assert (judge_it(RIGHT).correct, judge_it(WRONG).correct) == (True, False)
    assert (fingerprint(shop), stray_files(surroundings)) == before[:2]
    assert judge_it(None).gold.digests == before[2].digests


def test_list_of_hostile_statements_is_long_and_without_repeats() -> None:
    assert len({sql for sql, _ in HOSTILE}) == len(HOSTILE) >= 200


@pytest.mark.parametrize("sql", HONEST, ids=lambda value: value[:40])
def test_honest_statement_runs(sql: str, shop: str, lone_judge: SQLJudge) -> None:
    result = lone_judge.judge([JudgeRequest(db_path=shop, gold_sql=GOLD, prediction=sql)])[0].result
    assert result is not None
    assert result.status is ExecutionStatus.OK, result.error


def test_empty_result_is_a_result(verdict_on: Callable[..., Verdict]) -> None:
    verdict = verdict_on("SELECT a FROM empty WHERE a > 1", gold="SELECT a FROM empty")
    assert verdict.correct is True


@pytest.mark.parametrize("sql", ["DELETE FROM item", ";", "-- nothing", "BEGIN", "SELECT 1 WHERE"])
def test_nothing_but_a_result_set_matches_an_empty_gold(sql: str, verdict_on: Callable[..., Verdict]) -> None:
    assert verdict_on(sql, gold="SELECT a FROM empty").correct is False


def test_bad_utf8_is_compared_byte_by_byte(verdict_on: Callable[..., Verdict]) -> None:
    gold = "SELECT t FROM raw WHERE t = CAST(x'636166e9' AS TEXT)"
    assert verdict_on("SELECT t FROM raw LIMIT 1", gold=gold).correct is True
    assert verdict_on("SELECT t FROM raw LIMIT 1 OFFSET 1", gold=gold).correct is False


def test_error_text_is_kept_short(verdict_on: Callable[..., Verdict]) -> None:
    result = verdict_on("SELECT " + "x" * 100_000 + " FROM item").result
    assert result is not None
    assert len(result.error or "") <= 500


def test_names_and_samples_of_wide_rows_are_kept_short(verdict_on: Callable[..., Verdict]) -> None:
    # 900 names of 80 characters that take 12 bytes each in JSON, and five rows of such values: 5 MB for each gold.
    sql = "SELECT " + ", ".join(f"'{'😀' * 60}' AS \"{'😀' * 60}{n}\"" for n in range(900)) + " FROM item"
    result = verdict_on(sql).result
    assert result is not None
    assert (result.status, result.column_count) == (ExecutionStatus.OK, 900)
    assert max(len(result.column_names), *map(len, result.sample_rows)) <= 100
