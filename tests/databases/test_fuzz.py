# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Thousands of queries that are nearly right: each verdict is checked against plain sqlite3 and a plain comparison.

Mutants come from the syntax trees of honest queries, as sqlglot reads them: names swapped, clauses dropped,
subqueries, CTEs, copies in UNIONs, joins twice, other literals, aggregates. The same seed gives the same mutants. The
suite judges some hundreds; `SQL_FUZZ_MUTANTS=20000 pytest tests/databases/test_fuzz.py` judges as many as it says, and
`SQL_FUZZ_SEED` chooses others.
"""

import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlglot
from sqlglot import exp

from arctic_text2sql_r1.databases.judge import JudgeRequest
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.types import ExecutionStatus as Status
from arctic_text2sql_r1.types import Verdict

pytestmark = pytest.mark.slow

MUTANTS = int(os.environ.get("SQL_FUZZ_MUTANTS", "500"))
SEED = int(os.environ.get("SQL_FUZZ_SEED", "1"))
BATCH = 100
MAX_ROWS = 2000
OPCODES = 2_000_000  # a mutant that needs more is judged, but not checked
TABLES = dict(item=("id", "name", "price", "stock"), sale=("item_id", "day"), many=("n",), empty=("a",))
GOLDS = (
    "SELECT name FROM item",
    "SELECT name, price FROM item WHERE price > 1",
    "SELECT count(*) FROM sale",
    "SELECT stock, count(*), sum(price) FROM item GROUP BY stock",
    "SELECT i.name, s.day FROM item AS i JOIN sale AS s ON s.item_id = i.id",
    "SELECT name FROM item WHERE id IN (SELECT item_id FROM sale)",
    "WITH q AS (SELECT price, stock FROM item WHERE stock IS NOT NULL) SELECT max(price), stock FROM q GROUP BY stock",
    "SELECT name FROM item UNION ALL SELECT day FROM sale",
    "SELECT name, rank() OVER (ORDER BY price) FROM item",
    "SELECT CASE WHEN price > 3 THEN 'dear' ELSE 'cheap' END, count(*) FROM item GROUP BY 1",
    "SELECT n FROM many WHERE n % 1000 = 7",
    "SELECT a FROM empty",
)
LITERALS = ("0", "1", "4.0", "10", "-1", "NULL", "'pen'", "''", "x'00'", "1e999", "9223372036854775807", "random()")
Mutation = Callable[[exp.Expression, random.Random], exp.Expression]


def _one(tree: exp.Expression, kind: type[exp.Expression], rng: random.Random) -> exp.Expression | None:
    found = list(tree.find_all(kind))
    return rng.choice(found) if found else None


def rename_a_column(tree: exp.Expression, rng: random.Random) -> exp.Expression:
    column = _one(tree, exp.Column, rng)
    if column is not None:
        column.set("this", exp.to_identifier(rng.choice([name for names in TABLES.values() for name in names])))
    return tree


def rename_a_table(tree: exp.Expression, rng: random.Random) -> exp.Expression:
    table = _one(tree, exp.Table, rng)
    if table is not None:
        table.set("this", exp.to_identifier(rng.choice([*TABLES, "sqlite_master", "nowhere"])))
    return tree


def replace_a_literal(tree: exp.Expression, rng: random.Random) -> exp.Expression:
    literal = _one(tree, exp.Literal, rng)
    if literal is not None:
        literal.replace(sqlglot.parse_one(rng.choice(LITERALS), read="sqlite"))
    return tree


def drop_a_clause(tree: exp.Expression, rng: random.Random) -> exp.Expression:
    select = _one(tree, exp.Select, rng)
    if select is not None:
        select.set(rng.choice(["where", "group", "joins", "limit", "order", "distinct"]), None)
    return tree


def exchange_an_operator(tree: exp.Expression, rng: random.Random) -> exp.Expression:
    binary = _one(tree, exp.Binary, rng)
    if binary is not None:
        kind = rng.choice([exp.EQ, exp.LT, exp.GTE, exp.NEQ, exp.Add, exp.Mul, exp.Div, exp.And, exp.Or, exp.DPipe])
        binary.replace(kind(this=binary.left.copy(), expression=binary.right.copy()))
    return tree


def wrap_an_expression(tree: exp.Expression, rng: random.Random) -> exp.Expression:
    column = _one(tree, exp.Column, rng)
    if column is not None:
        form = rng.choice(["count({})", "sum({})", "max({})", "abs({})", "-{}", "{} || ''", "(SELECT {})", "NOT {}"])
        column.replace(sqlglot.parse_one(form.format(column.sql("sqlite")), read="sqlite"))
    return tree


def join_once_more(tree: exp.Expression, rng: random.Random) -> exp.Expression:
    select = _one(tree, exp.Select, rng)
    if isinstance(select, exp.Select) and select.find(exp.From) is not None:
        select.join(rng.choice(["item AS j", "sale AS j", "many AS j"]), copy=False)
    return tree


def add_a_condition(tree: exp.Expression, rng: random.Random) -> exp.Expression:
    select = _one(tree, exp.Select, rng)
    if isinstance(select, exp.Select):
        select.where(rng.choice(["1", "0", "NULL", "id > 2", "price < 4", "name LIKE 'p%'", "n < 9"]), copy=False)
    return tree


def change_the_shape(tree: exp.Expression, rng: random.Random) -> exp.Expression:
    """The whole query inside another one."""
    sql = tree.sql("sqlite")
    forms = (
        "SELECT * FROM ({0})", "SELECT DISTINCT * FROM ({0})", "WITH w AS ({0}) SELECT * FROM w",
        "SELECT * FROM ({0}) UNION ALL SELECT * FROM ({0})", "SELECT * FROM ({0}) UNION SELECT * FROM ({0})",
        "SELECT * FROM ({0}) EXCEPT SELECT * FROM ({0})", "SELECT count(*) FROM ({0})", "SELECT *, 1 FROM ({0})",
        "SELECT * FROM ({0}) LIMIT 3", "SELECT * FROM ({0}) ORDER BY 1 DESC", "SELECT x.* FROM ({0}) x, ({0}) y",
        "WITH RECURSIVE w(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM w LIMIT 5) SELECT x.* FROM ({0}) x, w",
    )  # fmt: skip
    return sqlglot.parse_one(rng.choice(forms).format(sql), read="sqlite")


MUTATIONS: tuple[Mutation, ...] = (
    rename_a_column,
    rename_a_table,
    replace_a_literal,
    drop_a_clause,
    exchange_an_operator,
    wrap_an_expression,
    join_once_more,
    add_a_condition,
    change_the_shape,
)


def mutants(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Pairs of gold and mutant; the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        gold = rng.choice(GOLDS)
        tree: exp.Expression = sqlglot.parse_one(gold, read="sqlite")
        for _ in range(rng.randint(1, 4)):
            tree = rng.choice(MUTATIONS)(tree, rng)
        yield gold, tree.sql("sqlite")


def plain_rows(connection: sqlite3.Connection, sql: str) -> Counter[tuple[object, ...]] | str | None:
    """The bag of rows as sqlite3 itself returns them, its error, or None when it takes too long to find out."""
    connection.set_progress_handler(lambda: 1, OPCODES)
    try:
        return Counter(connection.execute(sql).fetchmany(MAX_ROWS + 1))
    except sqlite3.Error as error:
        return None if str(error) == "interrupted" else str(error)


def assert_right(verdict: Verdict, gold_rows: object, rows: Counter[tuple[object, ...]] | str | None) -> None:
    """The verdict must say what the plain rows say."""
    assert verdict.result is not None
    status = verdict.result.status
    assert status is not Status.WORKER_DIED, verdict.result.error
    if isinstance(rows, str):
        assert status is not Status.OK, rows
    if rows is None or isinstance(rows, str) or status is Status.TIMEOUT:
        assert status is Status.OK or verdict.correct is False
    elif rows.total() > MAX_ROWS:
        assert status is Status.LIMIT
    else:
        assert status is Status.OK, verdict.result.error
        assert verdict.correct is (rows == gold_rows and verdict.result.column_count == verdict.gold.column_count)


def test_verdict_on_each_mutant_is_that_of_plain_sqlite(
    shop: str, fingerprint: Callable[[str], tuple[str, list[str]]], record_property: Callable[[str, object], None]
) -> None:
    pairs = list(mutants(MUTANTS, SEED))
    before = fingerprint(shop)
    counts: Counter[str] = Counter()
    with SQLJudge(num_workers=2, timeout_s=0.5, max_rows=MAX_ROWS) as judge, closing(sqlite3.connect(shop)) as plain:
        plain.execute("PRAGMA query_only = 1")
        gold_rows = {gold: plain_rows(plain, gold) for gold in GOLDS}
        for start in range(0, len(pairs), BATCH):
            batch = pairs[start : start + BATCH]
            for (gold, sql), verdict in zip(
                batch, judge.judge([JudgeRequest(shop, gold, sql) for gold, sql in batch]), strict=True
            ):
                if "random()" not in sql.lower():
                    assert_right(verdict, gold_rows[gold], plain_rows(plain, sql))
                counts[f"{verdict.result.status.value}, correct {verdict.correct}" if verdict.result else ""] += 1
    assert fingerprint(shop) == before
    record_property("verdicts", dict(counts))
    print(f"{len(pairs)} mutants, {len(set(pairs))} distinct:", dict(counts))


def test_mutants_are_different_and_some_of_each_kind() -> None:
    pairs = list(mutants(500, SEED))
    assert pairs == list(mutants(500, SEED))
    assert len(set(pairs)) > 350
    assert {gold for gold, _ in pairs} == set(GOLDS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda value: value.__name__)
def test_every_mutation_changes_some_query(mutation: Mutation) -> None:
    rng = random.Random(SEED)
    trees = [sqlglot.parse_one(gold, read="sqlite") for gold in GOLDS]
    assert any(mutation(tree.copy(), rng).sql("sqlite") != tree.sql("sqlite") for tree in trees * 10)
