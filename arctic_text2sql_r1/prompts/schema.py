# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A database's schema as text for a prompt, always the whole of it.

No table or column is kept or dropped because of a question or its gold query: neither is an argument here. What a
question may add are example values (`data/values.py`), what a dataset may add are column meanings
(`data/descriptions.py`). The styles are in `styles.py`, reading a file in `tables.py`, prompts in `templates.py`.
"""

import functools
import os
import sqlite3
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.prompts.styles import SCHEMA_STYLES
from arctic_text2sql_r1.prompts.tables import Table
from arctic_text2sql_r1.prompts.tables import read_tables

T = TypeVar("T")
ColumnName = tuple[str, str]  # (table, column)


def schema_text(
    db_path: str,
    style: str = "ddl",
    values: Mapping[ColumnName, Sequence[str]] | None = None,
    descriptions: Mapping[ColumnName, str] | None = None,
) -> str:
    """The schema of the SQLite file at `db_path`, without a final line break.

    `values` are shown as the first examples of their column, `descriptions` as comments, by the styles that have
    such; names compare without regard to case, as SQLite compares them. What is read is cached per path and state of
    the file. Raises `DataError` if the file is missing or no database, `RegistryError` for an unknown style.
    """
    write = SCHEMA_STYLES.get(style)
    try:
        stat = os.stat(db_path)
    except OSError as error:
        raise DataError(f"Cannot read the schema of '{db_path}': {error.strerror}. Expected a SQLite file.") from error
    tables = _cached_tables(os.path.abspath(db_path), stat.st_mtime_ns, stat.st_size)
    if values or descriptions:
        tables = _annotated(tables, values=_folded(values or {}), descriptions=_folded(descriptions or {}))
    return write(tables)


@functools.lru_cache(maxsize=4096)
def _cached_tables(db_path: str, mtime_ns: int, size: int) -> tuple[Table, ...]:
    try:
        tables = read_tables(db_path)
    except sqlite3.Error as error:
        raise DataError(f"Cannot read the schema of '{db_path}': {error}. Expected a SQLite database.") from error
    if len(tables) == 0:
        raise DataError(f"Database '{db_path}' has no tables; a prompt needs at least one. Check that it was filled.")
    return tables


def _annotated(
    tables: tuple[Table, ...], values: Mapping[ColumnName, Sequence[str]], descriptions: Mapping[ColumnName, str]
) -> tuple[Table, ...]:
    """The tables with mentioned values and descriptions, both of which must fit on the line of their column."""
    return tuple(
        replace(
            table,
            columns=tuple(
                replace(
                    column,
                    mentions=tuple(value for value in values.get(key, ()) if value.isprintable()),
                    description=_one_line(descriptions.get(key, "")),
                )
                for column in table.columns
                for key in [(table.name.lower(), column.name.lower())]
            ),
        )
        for table in tables
    )


def _one_line(text: str) -> str:
    """`text` in one line, every run of blank space and of characters that do not print as one blank."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _folded(mapping: Mapping[ColumnName, T]) -> dict[ColumnName, T]:
    return {(table.lower(), column.lower()): item for (table, column), item in mapping.items()}
