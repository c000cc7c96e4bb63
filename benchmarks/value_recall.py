# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Measures how fast value indexes are built and how many of the values in gold queries they find from the question.

    python benchmarks/value_recall.py SPIDER_DIR [--split dev] [--per-column 5] [--workers N] [--misses]

Builds the index of every database below SPIDER_DIR/database into a fresh folder, then looks up each question of the
split. A gold query serves as the key only: its string literals that are compared (=, <>, IN, LIKE) with a column. One
is found when a value retrieved for that very column equals it, for LIKE when one matches the pattern. Literals are
counted by what their column holds: `stored` is there as it stands, `other_case` in other case only (and may be found
so), `pattern` is a LIKE pattern with a match, `number` equals a number, not a text, and `absent` is nowhere in the
column, so that nothing could be retrieved. `text` is the first three together. Literals with no stored column on the
other side (subqueries, expressions) are `unresolved`. Prints one JSON line for building and one for recall.
"""

import argparse
import functools
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlglot
from sqlglot import exp

from arctic_text2sql_r1.data.readers import read_examples
from arctic_text2sql_r1.data.value_store import build_stores
from arctic_text2sql_r1.data.values import ValueIndex
from arctic_text2sql_r1.prompts.tables import Table
from arctic_text2sql_r1.prompts.tables import open_read_only
from arctic_text2sql_r1.prompts.tables import read_tables
from arctic_text2sql_r1.types import Text2SQLExample

_COMPARED = (exp.EQ, exp.NEQ, exp.In, exp.Like)
_IN_TEXT_COLUMNS = ("stored", "other_case", "pattern")
_WRAPPERS = (exp.Paren, exp.Lower, exp.Upper)


@dataclass(frozen=True)
class Literal:
    """A string in a gold query and the column it is compared with; `column` is None where that is not one column."""

    text: str
    is_pattern: bool
    column: tuple[str, str] | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON line per result."""
    parser = argparse.ArgumentParser(description="Speed of value indexes and their recall of gold's literals.")
    parser.add_argument("spider", type=Path, help="folder in Spider's layout")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--per-column", type=int, default=5, help="values retrieved for one column at most")
    parser.add_argument("--workers", type=int, help="threads that build; default: one per core")
    parser.add_argument("--misses", action="store_true", help="list literals that were not found, on stderr")
    options = parser.parse_args(arguments)
    databases = sorted(str(path) for path in (options.spider / "database").glob("*/*.sqlite"))
    examples = read_examples(options.spider, split=options.split)
    with tempfile.TemporaryDirectory() as cache_dir:
        print(json.dumps(build_result(databases, cache_dir=cache_dir, workers=options.workers)), flush=True)
        print(json.dumps(recall_result(examples, cache_dir, options.per_column, misses=options.misses)), flush=True)


def build_result(databases: Sequence[str], cache_dir: str, workers: int | None) -> dict[str, object]:
    """Time, speed and size of building every index. A row is a row of a table, a value a distinct text of a column."""
    started, cpu_started = time.monotonic(), time.process_time()
    stores = list(build_stores(databases, cache_dir, workers=workers))
    wall_s, cpu_s = time.monotonic() - started, time.process_time() - cpu_started
    rows = sum(_count_rows(path) for path in databases)
    values = sum(_number(str(store), "SELECT count(*) FROM value") for store in stores)
    return dict(
        result="build",
        databases=len(databases),
        rows=rows,
        values=values,
        wall_s=round(wall_s, 2),
        cpu_s=round(cpu_s, 2),
        rows_per_s=round(rows / wall_s),
        values_per_s=round(values / wall_s),
        megabytes=round(sum(store.stat().st_size for store in stores) / 1e6, 1),
        database_megabytes=round(sum(os.path.getsize(path) for path in databases) / 1e6, 1),
    )


def recall_result(
    examples: Sequence[Text2SQLExample], cache_dir: str, per_column: int, misses: bool
) -> dict[str, object]:
    """Shares of literals found, per kind."""
    wanted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    shown, lookup_s = 0, 0.0
    indexes = {path: ValueIndex.open(path, cache_dir) for path in sorted({example.db_path for example in examples})}
    for example in examples:
        started = time.monotonic()
        values = indexes[example.db_path].lookup(f"{example.question} {example.evidence}", per_column=per_column)
        lookup_s += time.monotonic() - started
        shown += sum(len(texts) for texts in values.values())
        for literal, kind in _kinds(example):
            wanted[kind] += 1
            hit = literal.column is not None and any(_meets(literal, kind, v) for v in values.get(literal.column, ()))
            found[kind] += hit
            if kind in _IN_TEXT_COLUMNS:
                wanted["text"] += 1
                found["text"] += hit
            if misses and not hit and kind not in ("absent", "unresolved"):
                print(f"{kind} {literal.column} {literal.text!r}: {example.question}", file=sys.stderr)
    return dict(
        result="recall",
        questions=len(examples),
        per_column=per_column,
        literals={kind: wanted[kind] for kind in sorted(wanted)},
        recall={kind: round(found[kind] / wanted[kind], 4) for kind in sorted(found) if kind != "unresolved"},
        values_per_question=round(shown / len(examples), 2),
        lookup_ms=round(lookup_s / len(examples) * 1000, 2),
    )


def _kinds(example: Text2SQLExample) -> Iterator[tuple[Literal, str]]:
    for literal in gold_literals(example.gold_sql, _tables(example.db_path)):
        yield literal, _kind(literal, example.db_path)


def gold_literals(sql: str, tables: Sequence[Table]) -> Iterator[Literal]:
    """The strings of a gold query that are compared with something."""
    columns = {table.name.lower(): {c.name.lower(): (table.name, c.name) for c in table.columns} for table in tables}
    for literal in sqlglot.parse_one(sql, read="sqlite").find_all(exp.Literal):
        comparison = literal.parent
        while isinstance(comparison, _WRAPPERS):
            comparison = comparison.parent
        if not literal.is_string or not isinstance(comparison, _COMPARED):
            continue
        side = comparison.this.unnest()
        side = side.this if isinstance(side, _WRAPPERS) else side
        column = _resolve(side, columns) if isinstance(side, exp.Column) else None
        yield Literal(text=literal.this, is_pattern=isinstance(comparison, exp.Like), column=column)


def _resolve(column: exp.Column, columns: dict[str, dict[str, tuple[str, str]]]) -> tuple[str, str] | None:
    """The stored column that a name in a query means, looked for from the innermost SELECT outwards."""
    select = column.find_ancestor(exp.Select)
    while select is not None:
        sources = [select.args.get("from_") or select.args.get("from"), *(select.args.get("joins") or [])]
        for source in (source.this for source in sources if source is not None):
            if isinstance(source, exp.Table) and column.table.lower() in ("", source.alias_or_name.lower()):
                found = columns.get(source.name.lower(), {}).get(column.name.lower())
                if found is not None:
                    return found
        select = select.find_ancestor(exp.Select)
    return None


def _kind(literal: Literal, db_path: str) -> str:
    if literal.column is None:
        return "unresolved"
    table, name = ('"' + part.replace('"', '""') + '"' for part in literal.column)
    rows = f"SELECT count(*) FROM {table} WHERE"
    if literal.is_pattern:
        return "pattern" if _number(db_path, f"{rows} {name} LIKE ?", literal.text) else "absent"
    if _number(db_path, f"{rows} typeof({name}) = 'text' AND {name} = ?", literal.text):
        return "stored"
    if _number(db_path, f"{rows} {name} = ?", literal.text):
        return "number"
    return "other_case" if _number(db_path, f"{rows} {name} = ? COLLATE NOCASE", literal.text) else "absent"


def _meets(literal: Literal, kind: str, value: str) -> bool:
    if kind == "pattern":
        with closing(sqlite3.connect(":memory:")) as connection:
            return bool(connection.execute("SELECT ? LIKE ?", (value, literal.text)).fetchone()[0])
    return value.lower() == literal.text.lower() if kind == "other_case" else value == literal.text


_tables = functools.cache(read_tables)


def _count_rows(db_path: str) -> int:
    names = (table.name.replace('"', '""') for table in _tables(db_path))
    return sum(_number(db_path, f'SELECT count(*) FROM "{name}"') for name in names)


def _number(db_path: str, query: str, *parameters: str) -> int:
    with closing(open_read_only(db_path)) as connection:
        return int(connection.execute(query, parameters).fetchone()[0])


if __name__ == "__main__":
    main()
