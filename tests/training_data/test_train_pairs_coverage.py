# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Which SQL the 100 hand-written training pairs exercise: constructs by parsing, function names and letters by text.

Each count is a least number of golds. Whether the golds are right is tested in `test_train_pairs.py`.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

PAIRS_FILE = Path(__file__).resolve().parents[2] / "projects" / "arctic_text2sql_r1" / "training_data" / "train.json"
GOLDS: list[str] = [pair["gold_sql"] for pair in json.loads(PAIRS_FILE.read_text(encoding="utf-8"))]
TREES = [sqlglot.parse_one(gold, dialect="sqlite") for gold in GOLDS]
Holds = Callable[[exp.Expression], bool]


def has(*kinds: type[exp.Expression]) -> Holds:
    return lambda tree: tree.find(*kinds) is not None


def joins(least: int, most: int) -> Holds:
    return lambda tree: least <= len(list(tree.find_all(exp.Join))) <= most


def some(kind: type[exp.Expression], holds: Holds) -> Holds:
    return lambda tree: any(holds(node) for node in tree.find_all(kind))


def is_self_join(tree: exp.Expression) -> bool:
    tables = [table.name for table in tree.find_all(exp.Table)]
    return len(list(tree.find_all(exp.Select))) == 1 and len(set(tables)) < len(tables)


def is_correlated(tree: exp.Expression) -> bool:
    """Whether a subquery names a table alias of the query around it."""
    for inner in (query for query in tree.find_all(exp.Select) if query.find_ancestor(exp.Select) is not None):
        own = {table.alias_or_name for table in inner.find_all(exp.Table)}
        if any(column.table not in own | {""} for column in inner.find_all(exp.Column)):
            return True
    return False


CONSTRUCTS: dict[str, tuple[int, Holds]] = {
    "filter": (60, has(exp.Where)),
    "one join": (30, joins(1, 1)),
    "two joins": (5, joins(2, 2)),
    "three joins": (1, lambda tree: joins(3, 3)(tree) and not has(exp.SetOperation)(tree)),
    "left join": (6, some(exp.Join, lambda join: join.args.get("side") == "LEFT")),
    "self join": (1, is_self_join),
    "group by": (35, has(exp.Group)),
    "having": (12, has(exp.Having)),
    "scalar subquery": (6, some(exp.Subquery, lambda query: isinstance(query.parent, exp.Binary))),
    "in subquery": (3, some(exp.In, lambda node: node.args.get("query") is not None)),
    "exists": (3, has(exp.Exists)),
    "correlated subquery": (5, is_correlated),
    "union": (3, has(exp.Union)),
    "intersect": (3, has(exp.Intersect)),
    "except": (3, has(exp.Except)),
    "order by": (20, lambda tree: tree.args.get("order") is not None),
    "order by with limit": (3, lambda tree: None not in (tree.args.get("order"), tree.args.get("limit"))),
    "is null": (10, some(exp.Is, lambda node: isinstance(node.expression, exp.Null))),
    "coalesce": (5, has(exp.Coalesce)),
    "count of a column": (8, some(exp.Count, lambda node: isinstance(node.this, exp.Column))),
    "count distinct": (3, some(exp.Count, lambda node: isinstance(node.this, exp.Distinct))),
    "case": (4, has(exp.Case)),
    "cte": (8, has(exp.CTE)),
    "recursive cte": (1, some(exp.With, lambda node: bool(node.args.get("recursive")))),
    "window": (11, has(exp.Window)),
    "distinct rows": (5, some(exp.Select, lambda select: select.args.get("distinct") is not None)),
    "like": (8, has(exp.Like)),
}
# sqlglot gives some functions other names, so these are looked for in the text.
SPELLINGS = {
    "STRFTIME(": 5, "JULIANDAY(": 4, "DATE(": 3, " days'": 2, "RANK()": 5, "DENSE_RANK()": 1,
    "ROW_NUMBER()": 1, "LAG(": 4, "SUM(T1.sold) OVER": 1, "SUBSTR(": 1, "INSTR(": 1, "''": 4, '"': 4,
    "ü": 2, "é": 2, "ã": 1, "ß": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_enough_golds_use(name: str) -> None:
    least, holds = CONSTRUCTS[name]
    assert sum(holds(tree) for tree in TREES) >= least


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_enough_golds_contain(spelling: str) -> None:
    assert sum(spelling in gold for gold in GOLDS) >= SPELLINGS[spelling]
