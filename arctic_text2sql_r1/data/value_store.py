# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Building the file in which the text values of one database can be searched by their words.

A store is a SQLite file of its own: the distinct texts of each column and a full-text index (FTS5) over them, which
ranks by BM25. SQLite moves the values from file to file by itself, so building needs little memory however large the
database is, and threads build side by side because no Python code runs meanwhile. Searching is in `values.py`.

In the store: every distinct text of 1 to 100 characters, of every column in which some text is more than digits and
punctuation. Not in it: numbers, columns of numbers or dates kept as text, blobs, longer texts, views. Codes (CV, AHD)
are in it, because questions name them.
"""

import functools
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from platformdirs import user_cache_path

from arctic_text2sql_r1.data.fingerprints import sampled_digest
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.prompts.identifiers import always_quoted
from arctic_text2sql_r1.prompts.tables import open_read_only
from arctic_text2sql_r1.prompts.tables import read_only_uri
from arctic_text2sql_r1.prompts.tables import table_names

_FORMAT = 2  # raised when a store that older code wrote would no longer be found right
_MOST_CHARACTERS = 100

# `porter` lets "singers" find "singer"; the words are compared without case and accents.
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
CREATE TABLE state (format INTEGER, fingerprint TEXT);
CREATE TABLE place (id INTEGER PRIMARY KEY, table_name TEXT, column_name TEXT);
CREATE TABLE value (id INTEGER PRIMARY KEY, place INTEGER, text TEXT);
CREATE VIRTUAL TABLE words USING fts5 (
    text, content = 'value', content_rowid = 'id', tokenize = 'porter unicode61 remove_diacritics 2'
);
"""


def cache_folder(chosen: Path | None) -> Path:
    """Where stores are kept: in the folder that was chosen (`--cache-dir`), else in the user's own cache."""
    return chosen or user_cache_path("arctic-text2sql-r1") / "values"


def current_store(
    db_path: str | os.PathLike[str],
    cache_dir: str | os.PathLike[str],
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """The store of a SQLite file below `cache_dir`, built first when there is none or the file has changed since.

    `on_progress` is called with (columns done, all columns) while one is built. Raises `DataError` when the file is
    missing, is no database or cannot be indexed.
    """
    path = os.path.abspath(db_path)
    try:
        state = (_FORMAT, _fingerprint(path))
        store = _store_path(path, Path(os.path.abspath(cache_dir)))
        if _state(store) != state:
            store.parent.mkdir(parents=True, exist_ok=True)
            _build(path, store=store, state=state, on_progress=on_progress)
    except (OSError, sqlite3.Error) as error:
        raise DataError(
            f"Cannot index the values of '{path}' below '{cache_dir}': {error}. Expected a SQLite file, a folder "
            f"that can be written (--cache-dir) and an SQLite with FTS5."
        ) from error
    return store


def build_stores(
    db_paths: Iterable[str | os.PathLike[str]], cache_dir: str | os.PathLike[str], workers: int | None = None
) -> Iterator[Path]:
    """The current store of each database in the order given, built by `workers` threads (default: one per core)."""
    paths = dict.fromkeys(os.path.abspath(path) for path in db_paths)
    with ThreadPoolExecutor(max_workers=workers or os.cpu_count()) as pool:
        yield from pool.map(functools.partial(current_store, cache_dir=cache_dir), paths)


def _store_path(path: str, cache_dir: Path) -> Path:
    place = hashlib.blake2b(os.fsencode(path), digest_size=8).hexdigest()
    return cache_dir / f"{Path(path).stem}-{place}.values"


def _fingerprint(path: str) -> str:
    """What changes when the file does: size, content as sampled, and time, which an edit in place moves."""
    return f"{os.stat(path).st_mtime_ns}-{sampled_digest(path)}"


def _state(store: Path) -> tuple[int, str] | None:
    """Format and fingerprint that a store was built with; None when there is no readable store."""
    if not store.is_file():
        return None
    try:
        with closing(open_read_only(str(store))) as connection:
            row: tuple[int, str] | None = connection.execute("SELECT format, fingerprint FROM state").fetchone()
            return row
    except sqlite3.DatabaseError:
        return None


def _build(path: str, store: Path, state: tuple[int, str], on_progress: Callable[[int, int], None] | None) -> None:
    """Write the store beside its place and move it there, so that nobody sees half of one."""
    with tempfile.TemporaryDirectory(dir=store.parent, prefix=f"{store.stem}-") as folder:
        partial = Path(folder) / store.name
        with closing(sqlite3.connect(partial.as_uri(), uri=True, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA encoding = '{_encoding(path)}'")  # as of what is attached, or it is refused
            connection.executescript(_SCHEMA)
            connection.execute("ATTACH ? AS source", (read_only_uri(path),))
            connection.execute("BEGIN")
            columns = _columns(path)
            for done, (table, column) in enumerate(columns):
                if on_progress is not None:
                    on_progress(done, len(columns))
                _copy_values(connection, table=table, column=column)
            connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
            connection.execute("INSERT INTO state VALUES (?, ?)", state)
            connection.execute("COMMIT")
        os.replace(partial, store)


def _encoding(path: str) -> str:
    with closing(open_read_only(path)) as connection:
        return str(connection.execute("PRAGMA encoding").fetchone()[0])


def _columns(path: str) -> list[tuple[str, str]]:
    with closing(open_read_only(path)) as connection:
        query = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1"
        return [
            (table, column)
            for table in table_names(connection)
            for (column,) in connection.execute(query, (table,)).fetchall()
        ]


def _copy_values(connection: sqlite3.Connection, table: str, column: str) -> None:
    name, source = always_quoted(column), f"source.{always_quoted(table)}"
    texts = f"FROM {source} WHERE typeof({name}) = 'text'"
    if connection.execute(f"SELECT 1 {texts} AND {name} GLOB '*[^-0-9 .,:/+]*' LIMIT 1").fetchone() is None:
        return
    place = connection.execute("INSERT INTO place (table_name, column_name) VALUES (?, ?)", (table, column)).lastrowid
    connection.execute(
        f"INSERT INTO value (place, text) SELECT DISTINCT ?, {name} {texts} AND length({name}) BETWEEN 1 AND ?",
        (place, _MOST_CHARACTERS),
    )
