# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Measures memory, speed and size of a value index over one large made-up database.

    python benchmarks/value_index_memory.py FOLDER [--rows 1000000]

Makes FOLDER/large-ROWS.sqlite, one table of ten text columns (names, streets, addresses, codes) of words drawn by
Zipf's law from 60,000 made-up ones, nearly all cells distinct; kept for the next run. Builds the index in this
process, whose peak memory counts, and looks up a few of its values. Prints one JSON line.
"""

import argparse
import itertools
import json
import os
import random
import resource
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from arctic_text2sql_r1.data.value_store import current_store
from arctic_text2sql_r1.data.values import ValueIndex

_COLUMNS = 10
_LOOKUPS = 20


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description="Memory, speed and size of a value index over a large database.")
    parser.add_argument("folder", type=Path, help="where the made-up database is kept")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of ten cells")
    options = parser.parse_args(arguments)
    database = options.folder / f"large-{options.rows}.sqlite"
    if not database.is_file():
        options.folder.mkdir(parents=True, exist_ok=True)
        make_database(database, rows=options.rows)
    with tempfile.TemporaryDirectory(dir=options.folder) as cache_dir:
        started, cpu_started = time.monotonic(), time.process_time()
        store = current_store(database, cache_dir)
        wall_s, cpu_s = time.monotonic() - started, time.process_time() - cpu_started
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        lookups = list(lookup_times(store))
        result = dict(
            cells=options.rows * _COLUMNS,
            wall_s=round(wall_s, 1),
            cpu_s=round(cpu_s, 1),
            cells_per_cpu_s=round(options.rows * _COLUMNS / cpu_s),
            peak_mb=round(peak_mb),
            index_mb=round(os.path.getsize(store) / 1e6),
            database_mb=round(os.path.getsize(database) / 1e6),
            lookup_cpu_s_mean=round(sum(lookups) / len(lookups), 3),
            lookup_cpu_s_worst=round(max(lookups), 3),
        )
    print(json.dumps(result))


def make_database(path: Path, rows: int) -> None:
    """Write the database; the same rows for the same number of them."""
    names = ", ".join(f"column_{number} TEXT" for number in range(_COLUMNS))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE large (id INTEGER PRIMARY KEY, {names})")
        connection.executemany(f"INSERT INTO large VALUES (?{', ?' * _COLUMNS})", made_rows(rows, random.Random(0)))
        connection.commit()


def made_rows(rows: int, rng: random.Random) -> Iterator[tuple[int | str, ...]]:
    """(number, ten texts) per row."""
    syllables = [a + b for a in "bcdfghklmnprstvwz" for b in ("a", "e", "i", "o", "u", "an", "er", "il")]
    words = ["".join(rng.choices(syllables, k=rng.randint(2, 4))) for _ in range(60_000)]
    weights = list(itertools.accumulate(1 / (rank + 10) for rank in range(len(words))))
    for row in range(rows):
        w = rng.choices(words, cum_weights=weights, k=24)
        yield (
            *(row, f"{w[0]} {w[1]} {row}", f"{row % 9999} {w[2]} street", f"{w[3]} {w[4]} {w[5]}"),
            *(f"{w[6]} of {w[7]} {row % 1000}", f"{w[8]}@{w[9]}.com{row}", f"{w[10]} {w[11]} {w[12]}"),
            *(f"{w[13]} {w[14]} {w[15]}", f"{w[16]}-{row}", " ".join(w[17:21]), f"{w[21]} {w[22]} {w[23]} co"),
        )


def lookup_times(store: Path) -> Iterator[float]:
    """CPU seconds of looking up questions that each mention one stored value, values spread over the columns."""
    with closing(sqlite3.connect(store)) as connection:
        (count,) = connection.execute("SELECT max(id) FROM value").fetchone()
        query = "SELECT text FROM value WHERE id = ?"
        texts = [connection.execute(query, (1 + i * (count - 1) // _LOOKUPS,)).fetchone()[0] for i in range(_LOOKUPS)]
    with ValueIndex(store) as index:
        for text in texts:
            started = time.process_time()
            index.lookup(f"What is the average of all things whose name is {text} and whose street is in the city?")
            yield time.process_time() - started


if __name__ == "__main__":
    main()
