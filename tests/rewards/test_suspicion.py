# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Right results that look bought are named; honest ones and wrong ones are not."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from arctic_text2sql_r1.databases.judge import JudgeRequest
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.rewards.suspicion import suspicions

GOLD = "SELECT count(*) FROM item"  # returns 3


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("databases") / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE item (name TEXT, n INTEGER); INSERT INTO item VALUES ('a', 3), ('b', 1);"
        )
        connection.execute("INSERT INTO item VALUES ('c', 2)")
        connection.commit()
    return str(path)


def signs(judge: SQLJudge, db_path: str, prediction: str | None, gold: str = GOLD) -> tuple[str, ...]:
    verdict = judge.judge([JudgeRequest(db_path=db_path, gold_sql=gold, prediction=prediction)])[0]
    return suspicions(verdict, gold)


@pytest.mark.parametrize(
    ("prediction", "want"),
    [
        ("SELECT 3", ("constant_select", "no_from")),
        ("VALUES (3)", ("constant_select", "no_from")),
        ("SELECT 1 + 2 AS n", ("constant_select", "no_from")),
        ("SELECT 3 UNION SELECT 3", ("constant_select", "no_from")),
        ("SELECT 3 FROM item LIMIT 1", ("constant_select",)),
        ("SELECT n FROM (SELECT 3 AS n)", ("no_from",)),
        ("WITH q AS (VALUES (3)) SELECT * FROM q", ("no_from",)),
        ("SELECT COUNT(name) FROM item", ()),
        ("SELECT count(1) FROM item", ()),
        ("SELECT (SELECT max(n) FROM item)", ()),
        ("SELECT n FROM item WHERE name = 'a'", ()),
        ("SELECT 4", ()),
        ("SELECT missing FROM item", ()),
        (None, ()),
    ],
)
def test_signs_of_a_prediction(judge: SQLJudge, shop: str, prediction: str | None, want: tuple[str, ...]) -> None:
    assert signs(judge, shop, prediction) == want


def test_right_result_without_rows_is_named(judge: SQLJudge, shop: str) -> None:
    assert signs(judge, shop, "SELECT n FROM item WHERE n > 9", "SELECT n FROM item WHERE n > 8") == ("empty_result",)


def test_query_without_table_is_fine_where_gold_has_none(judge: SQLJudge, shop: str) -> None:
    assert signs(judge, shop, "SELECT 1 + 1", gold="SELECT 2") == ("constant_select",)


def test_text_that_sqlglot_does_not_know_is_not_suspected(judge: SQLJudge, shop: str) -> None:
    deep = "(" * 90 + "SELECT 3" + ")" * 90
    assert signs(judge, shop, f"SELECT {deep}") == ()


def test_right_result_in_text_that_sqlglot_reads_exponentially_long_ends_at_once(judge: SQLJudge, shop: str) -> None:
    nested = "date(" * 40 + "'2024-01-01'" + ")" * 40
    start = time.process_time()
    assert signs(judge, shop, f"SELECT 3 FROM item WHERE {nested} IS NOT NULL LIMIT 1") == ()
    assert time.process_time() - start < 1.0  # about 0.05 s; without a bound it does not end
