# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Which rows of an ordered gold result tie, so that a prediction may return them in another order.

Gold orders by its sort keys; rows with equal keys come in whatever order the engine happens to choose. The sizes of
those runs of rows ("segments") are learnt once per gold, in the worker that runs it. A key that names an output
column, or counts columns (ORDER BY 2), is read from that column. Where gold does not return every key, it is run again
with the missing ones appended to the columns it selects; what that run tells counts only if it is row for row the
first run without them, so a rewrite that changed the query's meaning (hidden keys under DISTINCT) cannot mislead.

Where the keys cannot be learnt (an alias inside an expression, a key of a compound SELECT that is no output column, no
time left) no row may trade places: the stricter reading, which a prediction cannot exploit by dropping its ORDER BY.
Keys that tie only under a collation (NOCASE) do not count as ties. Standard library only.
"""

from dataclasses import dataclass

from arctic_text2sql_r1.databases.base import Row
from arctic_text2sql_r1.databases.compare import RowDigester
from arctic_text2sql_r1.databases.compare import encode_row
from arctic_text2sql_r1.databases.sqltext import Outline
from arctic_text2sql_r1.databases.sqltext import Token
from arctic_text2sql_r1.databases.sqltext import outline


@dataclass(frozen=True)
class KeyedGold:
    """A gold query that also selects its sort keys, and the column positions at which the keys come out."""

    sql: str
    column_count: int
    key_positions: tuple[int, ...]


class TieCounter:
    """Sizes of the runs of rows whose sort keys are equal."""

    def __init__(self, key_positions: tuple[int, ...]) -> None:
        self.sizes: list[int] = []
        self._key_positions = key_positions
        self._last_key: bytes | None = None

    def count(self, row: Row) -> None:
        key = encode_row(tuple([row[position] for position in self._key_positions]))
        if key == self._last_key:
            self.sizes[-1] += 1
        else:
            self.sizes.append(1)
            self._last_key = key


class GoldDigester(RowDigester):
    """Digests gold's rows, and counts its ties if it returns every sort key itself (`ties` is None otherwise)."""

    def __init__(self, gold_sql: str) -> None:
        super().__init__()
        self.keyed: KeyedGold | None = None
        self.ties: TieCounter | None = None
        self._gold_sql = gold_sql

    def begin(self, column_names: tuple[str, ...]) -> None:
        super().begin(column_names)
        self.keyed = with_sort_keys(self._gold_sql, column_names)
        returns_keys = self.keyed is not None and self.keyed.sql == self._gold_sql
        self.ties = TieCounter(self.keyed.key_positions) if self.keyed is not None and returns_keys else None

    def add(self, row: Row) -> int:
        if self.ties is not None:
            self.ties.count(row)
        return super().add(row)


class KeyedDigester(RowDigester):
    """Digests the rows of a gold query that also selects its sort keys, as if it did not, and counts its ties."""

    def __init__(self, keyed: KeyedGold) -> None:
        super().__init__()
        self.ties = TieCounter(keyed.key_positions)
        self._keyed = keyed

    def begin(self, column_names: tuple[str, ...]) -> None:
        super().begin(column_names)
        self.ties = TieCounter(self._keyed.key_positions)

    def add(self, row: Row) -> int:
        self.ties.count(row)
        return super().add(row[: self._keyed.column_count])


def with_sort_keys(gold_sql: str, column_names: tuple[str, ...]) -> KeyedGold | None:
    """Gold with its sort keys appended; None when it does not order or its keys cannot be appended.

    `column_names` are the names of the columns that gold itself returns.
    """
    lines = outline(gold_sql)
    if lines.order < 0:
        return None
    names = [name.lower() for name in column_names]
    positions: list[int] = []
    appended: list[str] = []
    for term in _terms(lines):
        position = _output_position(term, names)
        if position is None:
            position = len(names) + len(appended)
            appended.append(gold_sql[term[0].start : term[-1].end])
        positions.append(position)
    if len(appended) == 0:
        return KeyedGold(gold_sql, len(names), tuple(positions))
    if lines.compound or lines.main_from < 0:
        return None
    # Line breaks, because the text before FROM may end in a comment that runs to the end of its line.
    cut = lines.tokens[lines.main_from].start
    sql = f"{gold_sql[:cut]}\n, {', '.join(appended)}\n{gold_sql[cut:]}"
    return KeyedGold(sql, len(names), tuple(positions))


def _terms(lines: Outline) -> list[list[Token]]:
    """The ORDER BY terms as tokens, without ASC, DESC and NULLS FIRST or LAST."""
    terms: list[list[Token]] = [[]]
    base_depth = lines.tokens[lines.order].depth
    for token in lines.tokens[lines.order + 2 : lines.order_end]:
        if token.text == "," and token.depth == base_depth:
            terms.append([])
        else:
            terms[-1].append(token)
    return [stripped for term in terms if (stripped := _without_direction(term))]


def _without_direction(term: list[Token]) -> list[Token]:
    if len(term) > 2 and term[-2].text == "nulls":
        term = term[:-2]
    if len(term) > 1 and term[-1].text in ("asc", "desc"):
        term = term[:-1]
    return term


def _core(term: list[Token]) -> list[Token]:
    """`term` without what SQLite looks through when it asks for a name or a column number: (2), +2, 2 COLLATE x."""
    if len(term) > 2 and term[-2].text == "collate":
        return _core(term[:-2])
    if len(term) > 1 and term[0].text == "+":
        return _core(term[1:])
    while len(term) > 2 and term[0].text == "(" and term[-1].text == ")" and term[-1].depth == term[0].depth:
        inner = term[1:-1]
        if min(token.depth for token in inner) <= term[0].depth:  # (a) + (b)
            break
        term = inner
    return term


def _output_position(term: list[Token], names: list[str]) -> int | None:
    """Where an ORDER BY term already stands among the output columns, None if it does not."""
    core = _core(term)
    if len(core) != 1:
        return None
    token = core[0]
    if token.kind == "number" and token.text.isdigit() and 1 <= int(token.text) <= len(names):
        return int(token.text) - 1
    if token.kind in ("word", "quoted"):
        name = token.text if token.kind == "word" else token.text[1:-1]
        return names.index(name.lower()) if name.lower() in names else None
    return None
