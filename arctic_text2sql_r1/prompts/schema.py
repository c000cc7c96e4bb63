# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A database's schema as text for a prompt.

Style "ddl" is for models that read SQL: CREATE TABLE statements rebuilt from what SQLite reports, so that every
database is written alike, with a few sample values as comments. Style "compact" is for very small models: one line per
table, nothing that is not a name. Both list tables in creation order, and leave out SQLite's own tables, views and the
shadow tables of virtual tables. Prompts are put together in `templates.py`.
"""

import functools
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote

from arctic_text2sql_r1.errors import DataError

SCHEMA_STYLES = ("ddl", "compact")
_SAMPLE_VALUES = 3
_SAMPLE_CHARACTERS = 24
_SAMPLE_SCAN_ROWS = 200
_INDENT = "    "


@dataclass(frozen=True)
class Column:
    """`key_position` is the place in the primary key, counted from 1; 0 when it is not part of it."""

    name: str
    type: str
    not_null: bool
    key_position: int


@dataclass(frozen=True)
class ForeignKey:
    columns: tuple[str, ...]
    table: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One table; `samples` has a few short values per column, in the order of `columns`."""

    name: str
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...]
    samples: tuple[tuple[str, ...], ...]


def schema_text(db_path: str, style: str = "ddl") -> str:
    """The schema of the SQLite file at `db_path`, without a final line break.

    Cached per path, state of the file and style. Raises `DataError` if the file is missing or no database,
    ValueError for an unknown style.
    """
    if style not in SCHEMA_STYLES:
        raise ValueError(f"Unknown schema style '{style}'. Known: {', '.join(SCHEMA_STYLES)}.")
    try:
        stat = os.stat(db_path)
    except OSError as error:
        raise DataError(f"Cannot read the schema of '{db_path}': {error.strerror}. Expected a SQLite file.") from error
    return _cached_text(os.path.abspath(db_path), stat.st_mtime_ns, stat.st_size, style)


@functools.lru_cache(maxsize=4096)
def _cached_text(db_path: str, mtime_ns: int, size: int, style: str) -> str:
    with_samples = style == "ddl"
    try:
        tables = read_tables(db_path, with_samples=with_samples)
    except sqlite3.Error as error:
        raise DataError(f"Cannot read the schema of '{db_path}': {error}. Expected a SQLite database.") from error
    if len(tables) == 0:
        raise DataError(f"Database '{db_path}' has no tables; a prompt needs at least one. Check that it was filled.")
    if style == "compact":
        return "\n".join(_compact_line(table) for table in tables)
    return "\n\n".join(_create_table(table) for table in tables)


def read_tables(db_path: str, with_samples: bool = False) -> list[Table]:
    """Every ordinary and virtual table of a SQLite file, in creation order."""
    uri = f"file:{quote(os.fsencode(os.path.abspath(db_path)))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.text_factory = functools.partial(str, encoding="utf-8", errors="replace")
        names = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")
            if not name.lower().startswith("sqlite_")
        ]
        shadows = _shadow_tables(connection, names)
        return [_read_table(connection, name, with_samples) for name in names if name not in shadows]


def quote_identifier(name: str) -> str:
    """`name` as it may stand in SQLite SQL: in double quotes unless it is a plain word that no keyword claims."""
    plain = name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()
    if plain and name.upper() not in _KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def _shadow_tables(connection: sqlite3.Connection, names: list[str]) -> set[str]:
    """Tables that belong to a virtual table's machinery, such as t_content of a full-text table t."""
    virtual = connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'").fetchall()
    return {name for name in names for (owner,) in virtual if name.startswith(f"{owner}_")}


def _read_table(connection: sqlite3.Connection, name: str, with_samples: bool) -> Table:
    # Generated columns are listed by table_xinfo only; hidden = 1 are the inner columns of virtual tables.
    query = 'SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?) WHERE hidden <> 1'
    rows = connection.execute(query, (name,)).fetchall()
    columns = tuple(Column(column, kind, bool(not_null), key) for column, kind, not_null, key in rows)
    samples = tuple(_samples(connection, name, column.name) for column in columns) if with_samples else ()
    return Table(name, columns, _foreign_keys(connection, name), samples)


def _foreign_keys(connection: sqlite3.Connection, name: str) -> tuple[ForeignKey, ...]:
    """The table's foreign keys in the order they were declared."""
    query = 'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id DESC, seq'
    grouped: dict[int, list[tuple[str, str, str | None]]] = {}
    for key, target, column, target_column in connection.execute(query, (name,)):
        grouped.setdefault(key, []).append((target, column, target_column))
    return tuple(_foreign_key(connection, parts) for parts in grouped.values())


def _foreign_key(connection: sqlite3.Connection, parts: list[tuple[str, str, str | None]]) -> ForeignKey:
    target = parts[0][0]
    # REFERENCES t without a column means t's primary key.
    query = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
    primary_key = [column for (column,) in connection.execute(query, (target,))]
    targets = tuple(
        column or (primary_key[place] if place < len(primary_key) else "")
        for place, (_, _, column) in enumerate(parts)
    )
    return ForeignKey(columns=tuple(column for _, column, _ in parts), table=target, targets=targets)


def _samples(connection: sqlite3.Connection, table: str, column: str) -> tuple[str, ...]:
    """The first few distinct short values; long texts and blobs say little and cost many tokens."""
    name, source = ('"' + part.replace('"', '""') + '"' for part in (column, table))
    query = f"SELECT {name} FROM {source} LIMIT {_SAMPLE_SCAN_ROWS}"
    found: dict[str, None] = {}
    for (value,) in connection.execute(query):
        if value is None or isinstance(value, bytes):
            continue
        text = str(value)
        if 0 < len(text) <= _SAMPLE_CHARACTERS and text.isprintable():  # a line break would end the comment
            quoted = text.replace("'", "''")
            found[f"'{quoted}'" if isinstance(value, str) else text] = None
        if len(found) == _SAMPLE_VALUES:
            break
    return tuple(found)


def _compact_line(table: Table) -> str:
    """`employee: id name salary department_id>department.id`"""
    targets = {
        column: ">" + ".".join(quote_identifier(part) for part in (key.table, target) if part)
        for key in table.foreign_keys
        for column, target in zip(key.columns, key.targets, strict=True)
    }
    columns = " ".join(quote_identifier(column.name) + targets.get(column.name, "") for column in table.columns)
    return f"{quote_identifier(table.name)}: {columns}"


def _create_table(table: Table) -> str:
    key = sorted((column for column in table.columns if column.key_position), key=lambda c: c.key_position)
    # (definition, comment); the comma goes between them.
    lines = [
        (_column_definition(column, alone=len(key) == 1), _comment(sample))
        for column, sample in zip(table.columns, table.samples, strict=True)
    ]
    if len(key) > 1:
        lines.append((f"PRIMARY KEY ({_names(column.name for column in key)})", ""))
    lines.extend((_foreign_key_definition(foreign_key), "") for foreign_key in table.foreign_keys)
    last = len(lines) - 1
    body = "\n".join(
        f"{_INDENT}{text}{',' if place < last else ''}{comment}" for place, (text, comment) in enumerate(lines)
    )
    return f"CREATE TABLE {quote_identifier(table.name)} (\n{body}\n);"


def _column_definition(column: Column, alone: bool) -> str:
    parts = [quote_identifier(column.name), column.type]
    if column.key_position and alone:
        parts.append("PRIMARY KEY")
    if column.not_null:
        parts.append("NOT NULL")
    return " ".join(part for part in parts if part)


def _foreign_key_definition(key: ForeignKey) -> str:
    targets = f" ({_names(key.targets)})" if all(key.targets) else ""
    return f"FOREIGN KEY ({_names(key.columns)}) REFERENCES {quote_identifier(key.table)}{targets}"


def _comment(samples: tuple[str, ...]) -> str:
    return f"  -- e.g. {', '.join(samples)}" if samples else ""


def _names(names: Iterable[str]) -> str:
    return ", ".join(quote_identifier(name) for name in names)


# https://sqlite.org/lang_keywords.html; quoting one that SQLite would also accept bare does no harm.
_KEYWORDS = frozenset(
    """
    ABORT ACTION ADD AFTER ALL ALTER ALWAYS ANALYZE AND AS ASC ATTACH AUTOINCREMENT BEFORE BEGIN BETWEEN BY CASCADE
    CASE CAST CHECK COLLATE COLUMN COMMIT CONFLICT CONSTRAINT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME
    CURRENT_TIMESTAMP DATABASE DEFAULT DEFERRABLE DEFERRED DELETE DESC DETACH DISTINCT DO DROP EACH ELSE END ESCAPE
    EXCEPT EXCLUDE EXCLUSIVE EXISTS EXPLAIN FAIL FILTER FIRST FOLLOWING FOR FOREIGN FROM FULL GENERATED GLOB GROUP
    GROUPS HAVING IF IGNORE IMMEDIATE IN INDEX INDEXED INITIALLY INNER INSERT INSTEAD INTERSECT INTO IS ISNULL JOIN
    KEY LAST LEFT LIKE LIMIT MATCH MATERIALIZED NATURAL NO NOT NOTHING NOTNULL NULL NULLS OF OFFSET ON OR ORDER OTHERS
    OUTER OVER PARTITION PLAN PRAGMA PRECEDING PRIMARY QUERY RAISE RANGE RECURSIVE REFERENCES REGEXP REINDEX RELEASE
    RENAME REPLACE RESTRICT RETURNING RIGHT ROLLBACK ROW ROWS SAVEPOINT SELECT SET TABLE TEMP TEMPORARY THEN TIES TO
    TRANSACTION TRIGGER UNBOUNDED UNION UNIQUE UPDATE USING VACUUM VALUES VIEW VIRTUAL WHEN WHERE WINDOW WITH WITHOUT
    """.split()
)
