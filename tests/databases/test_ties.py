# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""How gold's sort keys are added to what it selects, and when they are not."""

import pytest

from arctic_text2sql_r1.databases.ties import with_sort_keys


@pytest.mark.parametrize(
    ("sql", "names", "positions"),
    [
        ("SELECT a, b FROM t ORDER BY b", ("a", "b"), (1,)),
        ("SELECT a, b FROM t ORDER BY 2 DESC, 1", ("a", "b"), (1, 0)),
        ('SELECT a AS "x y" FROM t ORDER BY "x y" COLLATE NOCASE NULLS LAST', ("x y",), (0,)),
        ("SELECT a FROM t UNION SELECT b FROM u ORDER BY (A)", ("a",), (0,)),
    ],
)
def test_key_that_is_an_output_column_is_read_from_it(
    sql: str, names: tuple[str, ...], positions: tuple[int, ...]
) -> None:
    keyed = with_sort_keys(sql, names)
    assert keyed is not None
    assert (keyed.sql, keyed.key_positions) == (sql, positions)


def test_hidden_keys_are_appended_before_the_outermost_from() -> None:
    keyed = with_sort_keys("SELECT (SELECT 1 FROM u) FROM t ORDER BY c + 1 DESC, abs(d) LIMIT 2", ("x",))
    assert keyed is not None
    assert " ".join(keyed.sql.split()) == (
        "SELECT (SELECT 1 FROM u) , c + 1, abs(d) FROM t ORDER BY c + 1 DESC, abs(d) LIMIT 2"
    )
    assert (keyed.column_count, keyed.key_positions) == (1, (1, 2))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t",
        "SELECT a FROM (SELECT a FROM t ORDER BY a)",
        "SELECT a FROM t UNION SELECT b FROM u ORDER BY a + 1",
        "SELECT 1 ORDER BY 2 + 3",
    ],
)
def test_no_keys_where_nothing_orders_or_nothing_can_be_appended(sql: str) -> None:
    assert with_sort_keys(sql, ("x",)) is None
