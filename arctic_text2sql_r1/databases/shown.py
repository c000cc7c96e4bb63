# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The first rows of a result as JSON carries them, whole enough to be read and small enough to be sent.

For people and programs that want the rows themselves; digests and verdicts need none of this (`compare.py`). Values
are None, whole numbers, floats and texts as they are, and where JSON has no such value an object that names it:
`{"blob": "00ff", "bytes": 2}`, `{"real": "-Infinity"}`, `{"text": "first characters", "characters": 250000}` for a
text that was cut. Bytes that are no UTF-8 become U+FFFD. Standard library only, because every worker imports this.
"""

import math
from typing import Any

from arctic_text2sql_r1.databases.base import Row
from arctic_text2sql_r1.databases.base import RowSink
from arctic_text2sql_r1.databases.base import ShownRows

_MOST_CHARACTERS = 10_000  # of one value
_FEW_CHARACTERS = 80  # of one value, once the row it stands in has used up the room of all
_MOST_NAME_CHARACTERS = 200
# Of all values together. Written as ASCII one may take twelve bytes, and a message of 16 MiB is not accepted.
_ROOM = 500_000

_FORMS = ({"blob", "bytes"}, {"real"}, {"text", "characters"})


class ShowingSink:
    """Hands every row on to `sink` and keeps the first `most_rows`, as long as there is room for them."""

    def __init__(self, sink: RowSink, most_rows: int) -> None:
        self._sink = sink
        self._most_rows = most_rows
        self._columns: tuple[str, ...] = ()
        self._rows: list[tuple[Any, ...]] = []
        self._room = _ROOM

    @property
    def shown(self) -> ShownRows:
        """What was kept so far."""
        return ShownRows(self._columns, tuple(self._rows))

    def begin(self, column_names: tuple[str, ...]) -> None:
        """See `RowSink.begin`."""
        self._columns = tuple(name[:_MOST_NAME_CHARACTERS] for name in column_names)
        self._rows.clear()
        self._room = _ROOM
        self._sink.begin(column_names)

    def add(self, row: Row) -> int:
        """See `RowSink.add`."""
        if len(self._rows) < self._most_rows and self._room > 0:
            self._rows.append(tuple([self._kept(value) for value in row]))
        return self._sink.add(row)

    def _kept(self, value: object) -> Any:
        most = _MOST_CHARACTERS if self._room > 0 else _FEW_CHARACTERS
        self._room -= 8
        if isinstance(value, str):
            self._room -= min(len(value), most)
            return (
                _readable(value) if len(value) <= most else dict(text=_readable(value[:most]), characters=len(value))
            )
        if isinstance(value, bytes):
            self._room -= min(2 * len(value), most)
            return dict(blob=value[: most // 2].hex(), bytes=len(value))
        if isinstance(value, float) and not math.isfinite(value):
            return dict(real="Infinity" if value > 0 else "-Infinity")  # NaN is NULL in SQLite
        return value


def parse_shown(fields: dict[str, Any]) -> ShownRows:
    """What a worker sent, typed. Raises ValueError or TypeError for anything that no worker of ours sends."""
    columns = tuple(fields["columns"])
    rows = tuple(tuple(row) for row in fields["rows"])
    if not all(isinstance(name, str) for name in columns) or not all(len(row) == len(columns) for row in rows):
        raise ValueError(f"{len(columns)} columns that rows do not have")
    if not all(_is_value(value) for row in rows for value in row):
        raise ValueError("a value in a form that is not known")
    return ShownRows(columns, rows)


def _is_value(value: Any) -> bool:
    if not isinstance(value, dict):
        return value is None or isinstance(value, str | int | float)
    return set(value) in _FORMS and all(isinstance(part, str | int) for part in value.values())


def _readable(text: str) -> str:
    """The text without lone surrogates, which stand for bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
