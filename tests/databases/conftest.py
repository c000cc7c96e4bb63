# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A small real database and a judge, shared by the tests of this folder."""

import hashlib
import sqlite3
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from arctic_text2sql_r1.databases.judge import JudgeRequest
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.types import Verdict

SCRIPT = """
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, stock INTEGER);
INSERT INTO item VALUES
    (1, 'pen', 1.5, 10), (2, 'ink', 4.0, 0), (3, 'cap', 4.0, 7), (4, 'map', 9.25, NULL), (5, 'pin', 0.5, 10);
CREATE TABLE sale (item_id INTEGER REFERENCES item (id), day TEXT);
INSERT INTO sale VALUES (1, '2024-01-01'), (1, '2024-01-02'), (3, '2024-01-02');
CREATE TABLE empty (a INTEGER);
CREATE TABLE raw (t TEXT);
INSERT INTO raw VALUES (CAST(x'636166e9' AS TEXT)), (CAST(x'636166ea' AS TEXT));
CREATE TABLE many (n INTEGER);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000) INSERT INTO many SELECT n FROM c;
"""

TIMEOUT_S = 0.5


def build(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCRIPT)
    return str(path)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database whose path needs every kind of quoting in a URI."""
    folder = tmp_path_factory.mktemp("odd #1 %20 ?mode=rwc é")
    return build(folder / "shop.sqlite")


@pytest.fixture(scope="module")
def judge() -> Iterator[SQLJudge]:
    with SQLJudge(num_workers=2, timeout_s=TIMEOUT_S, max_rows=2000) as instance:
        yield instance


@pytest.fixture
def verdict_on(judge: SQLJudge, shop: str) -> Callable[..., Verdict]:
    """Judge one prediction on the shop database."""

    def run(prediction: str | None, gold: str = "SELECT name FROM item") -> Verdict:
        return judge.judge([JudgeRequest(db_path=shop, gold_sql=gold, prediction=prediction)])[0]

    return run


@pytest.fixture
def fingerprint() -> Callable[[str], tuple[str, list[str]]]:
    """The database's sha256 and the names in its folder."""

    def take(db_path: str) -> tuple[str, list[str]]:
        path = Path(db_path)
        return hashlib.sha256(path.read_bytes()).hexdigest(), sorted(p.name for p in path.parent.iterdir())

    return take
