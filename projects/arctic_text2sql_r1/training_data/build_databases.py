# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Build the SQLite databases of our own training data from the declarations in `domains.py`.

    python build_databases.py --out databases

The same seed gives the same rows; the files themselves carry the SQLite version, so compare dumps, not bytes. The
questions asked about these databases are made by `build_questions.py`.
"""

import argparse
import datetime
import itertools
import random
import sqlite3
from pathlib import Path

from domains import ALL_DOMAINS
from domains import Column
from domains import Domain
from domains import Table

Value = str | int | float | None
SQL_TYPES = dict(id="INTEGER PRIMARY KEY", ref="INTEGER", label="TEXT", category="TEXT", year="INTEGER", date="TEXT")
# Every fifth or so parent is left without children, so that "with no concerts" has an answer.
CHILDLESS_SHARE = 0.2


def sql_type(column: Column) -> str:
    """The declared type: numbers with fractional steps are REAL."""
    if column.kind == "number":
        return "INTEGER" if float(column.step).is_integer() else "REAL"
    return SQL_TYPES[column.kind]


def create_statement(table: Table) -> str:
    """`CREATE TABLE` with foreign keys; columns that never hold NULL say so."""
    parts = []
    for column in table.columns:
        not_null = "" if column.kind == "id" or column.null_rate > 0 else " NOT NULL"
        parts.append(f"{column.name} {sql_type(column)}{not_null}")
    for column in table.of_kind("ref"):
        parts.append(f"FOREIGN KEY ({column.name}) REFERENCES {column.target} (id)")
    body = ",\n    ".join(parts)
    return f"CREATE TABLE {table.name} (\n    {body}\n)"


def draw_labels(rng: random.Random, column: Column, count: int) -> list[Value]:
    """`count` different word pairs. Raises `ValueError` when the pool has fewer."""
    pairs = [f"{first} {second}" for first, second in itertools.product(*column.pairs)]
    return [*rng.sample(pairs, count)]


def draw_categories(rng: random.Random, column: Column, count: int) -> list[Value]:
    """Every value at least once, the rest skewed, so that groups differ in size."""
    values = list(column.pool)
    rng.shuffle(values)
    drawn = values + rng.choices(values, weights=range(1, len(values) + 1), k=max(0, count - len(values)))
    rng.shuffle(drawn)
    return list(drawn[:count])


def draw_number(rng: random.Random, column: Column) -> Value:
    steps = round((column.high - column.low) / column.step)
    drawn = round(column.low + column.step * rng.randint(0, steps), 2)
    return int(drawn) if float(column.step).is_integer() else drawn


def draw_date(rng: random.Random, column: Column) -> Value:
    first = datetime.date(int(column.low), 1, 1)
    last = datetime.date(int(column.high), 12, 31)
    return (first + datetime.timedelta(days=rng.randint(0, (last - first).days))).isoformat()


def draw_later_dates(rng: random.Random, earlier: list[Value]) -> list[Value]:
    """One date 1 to 30 days after each date of `earlier`."""
    starts = [datetime.date.fromisoformat(str(value)) for value in earlier]
    return [(start + datetime.timedelta(days=rng.randint(1, 30))).isoformat() for start in starts]


def draw_refs(rng: random.Random, count: int, parent_rows: int) -> list[Value]:
    parents = rng.sample(range(1, parent_rows + 1), parent_rows - max(2, round(parent_rows * CHILDLESS_SHARE)))
    return list(rng.choices(parents, weights=range(1, len(parents) + 1), k=count))


def with_nulls(rng: random.Random, values: list[Value], rate: float) -> list[Value]:
    """`values` with a share `rate` (at least two rows when above 0) replaced by NULL."""
    holes = set(rng.sample(range(len(values)), max(2, round(rate * len(values))))) if rate > 0 else set()
    return [None if index in holes else value for index, value in enumerate(values)]


def draw_column(
    rng: random.Random, domain: Domain, table: Table, column: Column, done: dict[str, list[Value]]
) -> None:
    """Fill `done[column.name]` with one value per row."""
    count = table.rows
    if column.kind == "id":
        values: list[Value] = list(range(1, count + 1))
    elif column.kind == "ref":
        values = draw_refs(rng, count, domain.table(column.target).rows)
    elif column.kind == "label":
        values = draw_labels(rng, column, count)
    elif column.kind == "category":
        values = draw_categories(rng, column, count)
    elif column.kind == "date" and column.after:
        values = draw_later_dates(rng, done[column.after])
    elif column.kind == "date":
        values = [draw_date(rng, column) for _ in range(count)]
    else:
        values = [draw_number(rng, column) for _ in range(count)]
    done[column.name] = with_nulls(rng, values, column.null_rate)


def build_database(domain: Domain, path: Path, seed: int) -> None:
    """Write one SQLite file, replacing what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    rng = random.Random(f"{seed}:{domain.db_id}")
    connection = sqlite3.connect(path)
    # Small pages: the files are committed.
    connection.execute("PRAGMA page_size = 1024")
    for table in domain.tables:
        connection.execute(create_statement(table))
        columns: dict[str, list[Value]] = {}
        for column in table.columns:
            draw_column(rng, domain, table, column, columns)
        marks = ", ".join("?" for _ in table.columns)
        connection.executemany(f"INSERT INTO {table.name} VALUES ({marks})", list(zip(*columns.values(), strict=True)))
    connection.commit()
    connection.close()


def build_all(out: Path, seed: int) -> list[Path]:
    """Write `out/<db_id>/<db_id>.sqlite` for every domain and return the paths."""
    paths = [out / domain.db_id / f"{domain.db_id}.sqlite" for domain in ALL_DOMAINS]
    for domain, path in zip(ALL_DOMAINS, paths, strict=True):
        build_database(domain, path, seed)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "databases")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for path in build_all(arguments.out, arguments.seed):
        print(f"{path} {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
