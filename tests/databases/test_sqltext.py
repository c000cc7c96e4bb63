# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Reading SQL text: folding keeps what matters and drops what does not; only the outermost ORDER BY counts."""

import json
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from arctic_text2sql_r1.databases.sqltext import fold
from arctic_text2sql_r1.databases.sqltext import orders_rows
from arctic_text2sql_r1.databases.sqltext import without_tail

SPIDER = Path(__file__).resolve().parents[2].parent / "shared" / "spider"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t", "select  A\nfrom\tT ;;"),
        ("SELECT a FROM t", "-- answer\nSELECT a /* all */ FROM t -- end"),
        ("SELECT a FROM t WHERE a<=1", "SELECT a FROM t WHERE a <= 1"),
        ("SELECT (1)", "SELECT ( 1 )"),
        ("SELECT a FROM t /* open", "SELECT a FROM t"),
        ("SELECT \va FROM t", "SELECT a FROM t"),
        ("\ufeffSELECT a FROM t", "SELECT a FROM t"),
        ('SELECT "home town" FROM (SELECT  1)', 'SELECT "home town" FROM (SELECT 1)'),
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
        ("SELECT 1 /*", "SELECT 1"),
        ("SELECT\va FROM t", "SELECT a FROM t"),
        ('SELECT "a+b" FROM (SELECT a+b FROM t)', 'SELECT "a+b" FROM (SELECT a + b FROM t)'),
        ('SELECT "a is b" FROM (SELECT a is b FROM t)', 'SELECT "a is b" FROM (SELECT a  is b FROM t)'),
        (
            "SELECT 1 FROM (SELECT a+b) NATURAL JOIN (SELECT a+b)",
            "SELECT 1 FROM (SELECT a+b) NATURAL JOIN (SELECT a +b)",
        ),
    ],
)
def test_texts_that_differ_in_meaning_stay_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


STATEMENTS = [
    *("select a+b from t", 'select "a+b" from (select a+b from t)', "select a from t order by b desc limit 1"),
    *("select -a- -b, a||'x', .5, 1.e5, 0x1F, x'61' from t where a<=b and a<>b;", "select É,é, 0x1Fg, 1 g from t"),
    *("select * from (select a+b from t) natural join (select a+b from t)", "select t . a from t where a-- c\n >1"),
    *(
        "select a[b] from t",
        "select 'x' 'y'",
        'select a"b"from t',
        "select `a``b` from t",
        "select '{}'->'$'",
        "select $a",
    ),
]
PIECES = [
    *" \n\t\v\f\r;+-'\"`[]()a1.>=|",
    "/**/",
    "/*x*/",
    "/*",
    "*/",
    "--",
    "-- \n",
    "\ufeff",
    "\u00a0",
    "\v ",
    " \v",
    "é",
]


def outcome(connection: sqlite3.Connection, sql: str) -> list[tuple[object, ...]] | None:
    try:
        return connection.execute(without_tail(sql)).fetchall()
    except (sqlite3.Error, sqlite3.Warning):
        return None


def test_texts_that_fold_together_do_the_same_in_sqlite() -> None:
    generator = random.Random(7)
    compared = 0
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript("CREATE TABLE t (a, b, É, é); INSERT INTO t VALUES (1, 2, 3, 4), (5, 6, 7, 8);")
        for _ in range(30_000):
            one = other = generator.choice(STATEMENTS)
            for _ in range(generator.randint(1, 3)):
                place, cut = generator.randint(0, len(other)), generator.random() < 0.2
                other = other[:place] + ("" if cut else generator.choice(PIECES)) + other[place + cut :]
            if fold(one) == fold(other) and one != other:
                compared += 1
                assert outcome(connection, one) == outcome(connection, other), (one, other)
    assert compared > 1000


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("SELECT 1 ; ; -- end", "SELECT 1"),
        ("SELECT ';' /* ; */", "SELECT ';'"),
        ("SELECT 1; SELECT 2;", "SELECT 1; SELECT 2"),
        (" ; -- nothing", ""),
    ],
)
def test_final_semicolons_are_cut_and_nothing_else(sql: str, kept: str) -> None:
    assert without_tail(sql) == kept


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


@pytest.mark.parametrize("sql", ["SELECT 1" + ";" * 100_000, "(" * 50_000 + "SELECT 1 ORDER BY 1" + ")" * 50_000])
def test_wrapping_is_removed_in_linear_time(sql: str) -> None:
    start = time.process_time()
    assert orders_rows(sql) is sql.startswith("(")
    assert time.process_time() - start < 2.0  # about 0.2 s
