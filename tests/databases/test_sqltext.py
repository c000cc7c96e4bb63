# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Reading SQL text: folding keeps what matters and drops what does not; only the outermost ORDER BY counts."""

import json
import time
from pathlib import Path

import pytest

from arctic_text2sql_r1.databases.sqltext import fold
from arctic_text2sql_r1.databases.sqltext import orders_rows

SPIDER = Path(__file__).resolve().parents[2].parent / "shared" / "spider"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t", "select  A\nfrom\tT ;;"),
        ("SELECT a FROM t", "-- answer\nSELECT a /* all */ FROM t -- end"),
        ("SELECT a FROM t WHERE a<=1", "SELECT a FROM t WHERE a <= 1"),
        ("SELECT (1)", "SELECT ( 1 )"),
        ("SELECT a FROM t /* open", "SELECT a FROM t"),
    ],
)
def test_texts_that_mean_the_same_fold_together(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 'a'", "SELECT 'A'"),
        ("SELECT 'a  b'", "SELECT 'a b'"),
        ("SELECT 'a--b'", "SELECT 'a'"),
        ("SELECT 'a;'", "SELECT 'a'"),
        ('SELECT "A b"', 'SELECT "A  b"'),
        ("SELECT `A`", "SELECT `a`"),
        ("SELECT [A]", "SELECT [a]"),
        ("SELECT 'it''s'", "SELECT 'it' 's'"),
        ("SELECT x'ab'", "SELECT x 'ab'"),
        ("SELECT 1a", "SELECT 1 a"),
        ("SELECT 1 < = 2", "SELECT 1 <= 2"),
        ("SELECT É FROM t", "SELECT é FROM t"),
        ("SELECT a😀b", "SELECT a 😀b"),
        ("SELECT 1; SELECT 2", "SELECT 1 SELECT 2"),
        ("SELECT '/*' FROM a --*/", "SELECT '/*' FROM b --*/"),
    ],
)
def test_texts_that_differ_in_meaning_stay_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t ORDER BY a",
        "select a from t order  -- x\n by a desc limit 3",
        "WITH q AS (SELECT 1 AS a) SELECT a FROM q ORDER\nBY a",
        "SELECT a FROM t UNION SELECT b FROM u ORDER BY 1",
        "(SELECT a FROM t ORDER BY a);",
    ],
)
def test_outermost_order_by_is_seen(sql: str) -> None:
    assert orders_rows(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t",
        "SELECT 'order by' FROM t",
        'SELECT a AS "order by" FROM t -- order by a',
        "SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 3)",
        "SELECT rank() OVER (ORDER BY a) FROM t",
        "WITH q AS (SELECT a FROM t ORDER BY a) SELECT a FROM q",
        "SELECT group_concat(a ORDER BY a) FROM t",
        "SELECT a FROM t WHERE a = (SELECT b FROM u ORDER BY b LIMIT 1)",
        "SELECT a FROM t /* ORDER BY a */",
        "(SELECT a FROM t ORDER BY a) UNION (SELECT 1)",
        "",
    ],
)
def test_other_order_by_is_not_taken_for_it(sql: str) -> None:
    assert not orders_rows(sql)


@pytest.mark.skipif(not SPIDER.exists(), reason="../shared/spider is not here")
def test_order_of_every_spider_dev_gold_is_what_a_full_parser_says() -> None:
    sqlglot = pytest.importorskip("sqlglot")
    rows = json.loads((SPIDER / "dev.json").read_text(encoding="utf-8"))
    for sql in sorted({row["query"] for row in rows}):
        want = sqlglot.parse_one(sql, read="sqlite").args.get("order") is not None
        assert orders_rows(sql) == want, sql


@pytest.mark.parametrize("piece", ["'", "''", "/*", "--", "(", '"', "[", "x'", "1e+", "*/", "a ", "/**", "@"])
def test_reading_hostile_text_takes_linear_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    start = time.process_time()
    fold(text)
    orders_rows(text)
    assert time.process_time() - start < 2.0
