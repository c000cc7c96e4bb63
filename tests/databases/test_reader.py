# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Statements that are run for their rows: what comes back, what is cut, and what no worker of ours could send."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arctic_text2sql_r1.databases.compare import RowDigester
from arctic_text2sql_r1.databases.reader import SQLReader
from arctic_text2sql_r1.databases.shown import ShowingSink
from arctic_text2sql_r1.databases.shown import parse_shown
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.types import ExecutionStatus

ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"


@pytest.fixture
def reader() -> Iterator[SQLReader]:
    with SQLReader(timeout_s=20.0, show_rows=2) as reader:
        yield reader


def test_each_statement_has_its_first_rows_and_digests_of_all(reader: SQLReader, concert_db: Path) -> None:
    statements = ["SELECT name FROM singer ORDER BY singer_id;", "SELECT name FROM singer ORDER BY 1", "SELECT x"]
    by_id, by_name, failed = reader.read(str(concert_db), statements)
    assert by_id.shown is not None and by_id.shown.columns == ("name",)
    assert by_id.shown.rows == (("Zoë",), ("John O'Nizinik",))
    assert by_id.seen_by(0).row_count == 5
    one, other = by_id.seen_by(0).digests, by_name.seen_by(0).digests
    assert one is not None and other is not None and one.bag == other.bag and one.ordered != other.ordered
    assert (failed.result.status, failed.shown) == (ExecutionStatus.SCHEMA_ERROR, None)


def test_nothing_to_run_is_fine_and_an_absent_database_is_named(reader: SQLReader, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent"):
        reader.read(str(tmp_path / "absent.sqlite"), ["SELECT 1"])


def test_a_statement_that_is_broken_off_ends_and_the_next_one_runs(reader: SQLReader, concert_db: Path) -> None:
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        reader.read(str(concert_db), [ENDLESS, ENDLESS])
    assert time.monotonic() - started < 5
    assert reader.read(str(concert_db), ["SELECT 7"])[0].result.row_count == 1


def test_rows_of_a_statement_that_had_to_be_run_again_are_kept_once() -> None:
    sink = ShowingSink(RowDigester(), most_rows=5)
    for _ in range(2):
        sink.begin(("a",))
        sink.add((1,))
    assert sink.shown.rows == ((1,),)


def test_no_more_is_kept_than_a_message_holds() -> None:
    sink = ShowingSink(RowDigester(), most_rows=1000)
    sink.begin(("a",) * 100)
    for _ in range(1000):
        sink.add(("ü" * 20_000,) * 100)
    kept = [value["text"] for row in sink.shown.rows for value in row]
    assert len(sink.shown.rows) == 1 and {len(text) for text in kept} == {10_000, 80}
    assert sum(map(len, kept)) < 600_000


@pytest.mark.parametrize(
    "fields",
    [
        dict(columns=["a"], rows=[[1, 2]]),
        dict(columns=[1], rows=[[1]]),
        dict(columns=["a"], rows=[[[1]]]),
        dict(columns=["a"], rows=[[{"html": "<b>"}]]),
        dict(columns=["a"], rows=[[{"blob": ["00"], "bytes": 1}]]),
        dict(columns=["a"], rows=7),
    ],
)
def test_what_no_worker_of_ours_sends_is_not_taken(fields: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        parse_shown(fields)
