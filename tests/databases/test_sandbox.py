# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The sandbox: hostile SQL ends in time, changes nothing, creates nothing, and gets the status it deserves."""

import time
from collections.abc import Callable

import pytest

from arctic_text2sql_r1.types import ExecutionStatus
from arctic_text2sql_r1.types import Verdict

# As in conftest: the limit of the judge under test.
TIMEOUT_S = 0.5
DOUBLING = ", ".join(f"c{i} AS (SELECT * FROM c{i - 1} UNION ALL SELECT * FROM c{i - 1})" for i in range(1, 31))
ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"

DENIED = [
    "DELETE FROM item",
    "DROP TABLE item",
    "UPDATE item SET price = 0",
    "UPDATE item SET price = 0 RETURNING name",
    "INSERT INTO item VALUES (9, 'x', 1, 1) RETURNING 1",
    "REPLACE INTO item VALUES (1, 'x', 1, 1)",
    "WITH q AS (SELECT 1) DELETE FROM item",
    "WITH q AS (SELECT 1) DELETE FROM item RETURNING name",
    "WITH q AS (SELECT 1) INSERT INTO sale SELECT 1, 2",
    "WITH q AS (SELECT 1) UPDATE item SET price = 0",
    "CREATE TABLE x (a)",
    "CREATE TEMP TABLE x (a)",
    "CREATE TEMP VIEW item AS SELECT 1",
    "CREATE VIRTUAL TABLE x USING fts5(a)",
    "ALTER TABLE item RENAME TO x",
    "ATTACH 'evil.db' AS evil",
    "ATTACH DATABASE '/tmp/evil.db' AS evil",
    "VACUUM",
    "VACUUM INTO 'evil.db'",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "BEGIN EXCLUSIVE",
    "COMMIT",
    "SAVEPOINT s",
    "PRAGMA query_only = 0",
    "PRAGMA writable_schema = 1",
    "PRAGMA case_sensitive_like = 1",
    "PRAGMA reverse_unordered_selects = 1",
    "PRAGMA hard_heap_limit = 0",
    "PRAGMA journal_mode = WAL",
    "PRAGMA user_version = 7",
    "EXPLAIN SELECT 1",
    "SELECT load_extension('evil.so')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT * FROM pragma_query_only",
    "SELECT * FROM pragma_database_list",
    "SELECT 1; DROP TABLE item",
    "SELECT name FROM item; SELECT 2",
    "/* SELECT */ -- SELECT\nDELETE FROM item",
    ";DELETE FROM item",
]
TIMED_OUT = [
    f"{ENDLESS} SELECT count(*) FROM c",
    f"{ENDLESS} SELECT n FROM c WHERE n < 0",
    f"{ENDLESS} SELECT max(n) FROM c GROUP BY n % 2",
    "SELECT count(*) FROM many a, many b, many c, many d WHERE a.n + b.n + c.n + d.n < 0",
    "SELECT printf('%.*c', 1000000000, 'x')",
    "SELECT a.n FROM many a, many b, many c ORDER BY a.n * b.n * c.n LIMIT 1",
]
TOO_BIG = [
    f"{ENDLESS} SELECT n FROM c",
    "SELECT a.n FROM many a, many b",
    "SELECT zeroblob(1000000000)",
    "SELECT randomblob(1000000000)",
    "SELECT hex(zeroblob(9000000))",
    "SELECT '" + "x" * 10_000_000 + "'",
    "SELECT 1" + " + 1" * 20_000,
    "SELECT " + "(" * 5_000 + "1" + ")" * 5_000,
    "SELECT " + ", ".join(["1"] * 3_000),
    " UNION ALL ".join(["SELECT 1"] * 1_000),
    "SELECT zeroblob(9000000) FROM many LIMIT 100",
    "SELECT 'a' LIKE '" + "%a" * 1_000 + "'",
]
BROKEN = [
    ("SELEC name FROM item", ExecutionStatus.SYNTAX_ERROR),
    ("The answer is 42.", ExecutionStatus.SYNTAX_ERROR),
    ("SELECT name FROM item WHERE", ExecutionStatus.SYNTAX_ERROR),
    ("SELECT 'open", ExecutionStatus.SYNTAX_ERROR),
    ("SELECT 1\0", ExecutionStatus.SYNTAX_ERROR),
    ("SELECT '\ud800'", ExecutionStatus.SYNTAX_ERROR),
    ("SELECT ?", ExecutionStatus.SYNTAX_ERROR),
    ("SELECT missing FROM item", ExecutionStatus.SCHEMA_ERROR),
    ("SELECT 1 FROM nowhere", ExecutionStatus.SCHEMA_ERROR),
    ("SELECT missing() FROM item", ExecutionStatus.SCHEMA_ERROR),
    ("SELECT id FROM item a, item b", ExecutionStatus.SCHEMA_ERROR),
    ("SELECT json('{')", ExecutionStatus.SCHEMA_ERROR),
    ("SELECT abs(-9223372036854775807 - 1)", ExecutionStatus.SCHEMA_ERROR),
    ("", ExecutionStatus.NO_RESULT_SET),
    (" \n", ExecutionStatus.NO_RESULT_SET),
    (";", ExecutionStatus.NO_RESULT_SET),
    ("-- only a comment", ExecutionStatus.NO_RESULT_SET),
    ("/* open", ExecutionStatus.NO_RESULT_SET),
]
MEMORY_HUNGRY = [
    f"WITH c0 AS (SELECT 1), {DOUBLING} SELECT count(*) FROM c30",
    f"{ENDLESS} SELECT group_concat(hex(randomblob(5000))) FROM c",
    "SELECT count(*) FROM (SELECT DISTINCT randomblob(5000000) FROM many)",
    "SELECT json_group_array(hex(randomblob(1000000))) FROM many",
]
CASES = [
    *((sql, {ExecutionStatus.DENIED}) for sql in DENIED),
    *((sql, {ExecutionStatus.TIMEOUT}) for sql in TIMED_OUT),
    *((sql, {ExecutionStatus.LIMIT, ExecutionStatus.MEMORY}) for sql in TOO_BIG),
    *((sql, {status}) for sql, status in BROKEN),
    *((sql, {ExecutionStatus.LIMIT, ExecutionStatus.MEMORY, ExecutionStatus.TIMEOUT}) for sql in MEMORY_HUNGRY),
]


def shortest_of_three(judge_it: Callable[[], Verdict]) -> tuple[float, Verdict]:
    """Wall time and verdict of the first attempt that is in time, else of the third: a busy machine delays some."""
    for _ in range(3):
        start = time.monotonic()
        verdict = judge_it()
        elapsed_s = time.monotonic() - start
        if elapsed_s < TIMEOUT_S + 1.0:
            break
    return elapsed_s, verdict


@pytest.mark.parametrize(("sql", "statuses"), CASES, ids=lambda value: value[:40] if isinstance(value, str) else "")
def test_hostile_statement_is_stopped_and_leaves_no_trace(
    sql: str,
    statuses: set[ExecutionStatus],
    shop: str,
    verdict_on: Callable[..., Verdict],
    fingerprint: Callable[[str], tuple[str, list[str]]],
) -> None:
    before = fingerprint(shop)
    verdict_on(None)  # gold's run and worker starts are not what is timed
    elapsed_s, verdict = shortest_of_three(lambda: verdict_on(sql))
    assert elapsed_s < TIMEOUT_S + 1.0
    assert verdict.result is not None
    assert verdict.result.status in statuses, verdict.result.error
    assert verdict.correct is False
    assert fingerprint(shop) == before


@pytest.mark.parametrize(
    "sql",
    [
        "VALUES (1), (2)",
        "WITH q AS (SELECT 1 AS a) SELECT a FROM q",
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT n FROM c",
        "SELECT name FROM pragma_table_info('item')",
        "SELECT name FROM sqlite_master",
        "SELECT value FROM json_each('[1, 2]')",
        "SELECT key FROM json_tree('{}')",
        "SELECT sum(price) OVER (ORDER BY id) FROM item",
        "SELECT 1 WHERE 1 IN (" + ", ".join(map(str, range(50_000))) + ")",
        "SELECT count(*) FROM item" + "".join(f" JOIN item i{n} USING (id)" for n in range(62)),
        "SELECT 1" + " + 1" * 900,
    ],
    ids=lambda value: value[:40],
)
def test_honest_statement_runs(sql: str, verdict_on: Callable[..., Verdict]) -> None:
    result = verdict_on(sql).result
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
