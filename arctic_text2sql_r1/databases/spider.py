# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What is special about Spider's test-suite evaluator: rewritten statements, and columns in any order.

Source: Zhong et al., arXiv 2010.02840, and its program `exec_eval.py`. Two results agree when some permutation of the
columns makes them the same bag of rows, or the same list when gold's text contains "order by" anywhere (blanks count:
"order  by" is not seen, and the ORDER BY of a subquery is). Two empty results agree whatever their columns. Numbers
are compared exactly, and bytes that are no UTF-8 are dropped from text before it is compared.

Departures: one database file, not a suite of variants of it; one statement, not the first of several; a gold that
fails leaves the row unscored instead of ending the run; IS [NOT] DISTINCT FROM keeps its DISTINCT; rows that differ as
text though equal as numbers (11 and 11.0 beside values that sort between them) are not rejected; values of gold are
never plugged into predictions; YEAR(CURDATE()) is not replaced; timeouts work.

Permutations: a worker puts the columns of every result into an order that does not depend on the order in which they
came, so that digests of both sides can be compared without the rows. Columns are told apart by their values, then by
the rows their values stand in. Where several orders remain, the one with the smallest digest counts. The search is
bounded: a result with many columns that only differ jointly may be called different, never wrongly the same. Standard
library only, because every worker imports this.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from operator import mul

from arctic_text2sql_r1.databases.base import Row
from arctic_text2sql_r1.databases.compare import RowDigester
from arctic_text2sql_r1.databases.compare import encode_row
from arctic_text2sql_r1.databases.sqltext import tokenize
from arctic_text2sql_r1.types import ResultDigests

_MASK = (1 << 128) - 1
_MOST_ORDERS = 120  # column orders tried for one result, each a pass over its rows ...
_MOST_CELLS = 1_000_000  # ... and how many cells all passes together may read, the first pass apart
_MOST_REFINED = 5_000_000  # cells read to tell columns apart, about a second
_COMPARISONS = (("> =", ">="), ("< =", "<="), ("! =", "!="))


def spider_text(sql: str, keep_distinct: bool) -> str:
    """The statement that the evaluator would run: split comparison signs joined, DISTINCT removed by default."""
    for split, joined in _COMPARISONS:
        sql = sql.replace(split, joined)
    if keep_distinct or "distinct" not in sql.lower():
        return sql
    pieces: list[str] = []
    position = 0
    before = ""
    tokens = tokenize(sql)
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        is_comparison = before in ("is", "not") and after is not None and after.text == "from"
        if token.kind == "word" and token.text == "distinct" and not is_comparison:
            pieces.append(sql[position : token.start])
            position = token.end
        before = token.text
    return "".join(pieces) + sql[position:]


def spider_orders(gold_sql: str) -> bool:
    """Whether the evaluator compares rows in order: a plain search in gold's text."""
    return "order by" in gold_sql.lower()


class PermutationDigester(RowDigester):
    """Also digests the rows as they are under every order of their columns."""

    def __init__(self, mode: str) -> None:
        super().__init__(mode)
        self._rows: list[tuple[int, ...]] = []
        self._cells: dict[tuple[type, object], int] = {}

    def begin(self, column_names: tuple[str, ...]) -> None:
        super().begin(column_names)
        self._rows.clear()

    def add(self, row: Row) -> int:
        row = tuple(_without_bad_bytes(value) if isinstance(value, str) else value for value in row)
        self._rows.append(tuple(map(self._cell, row)))
        return super().add(row)

    def digests(self, segments: Sequence[int] | None = None) -> ResultDigests:
        columns = list(zip(*self._rows, strict=True))
        in_order = sorted(_hash(*column) for column in columns)
        orders = _column_orders(columns)
        bags = (sum(_hash(*(row[i] for i in order)) for row in self._rows) & _MASK for order in orders)
        return replace(
            super().digests(),
            permuted_ordered=f"{_hash(*in_order):032x}",
            permuted_bag=f"{min(bags, default=0):032x}",
        )

    def _cell(self, value: object) -> int:
        key = (type(value), value)
        if key not in self._cells:
            digest = blake2b(encode_row((value,), exact=True), digest_size=16).digest()
            self._cells[key] = int.from_bytes(digest, "big")
        return self._cells[key]


def _without_bad_bytes(text: str) -> str:
    return text.encode("utf-8", "ignore").decode("utf-8")


def _hash(*numbers: int) -> int:
    """A 128-bit hash of a sequence of 128-bit numbers."""
    joined = b"".join(number.to_bytes(16, "big") for number in numbers)
    return int.from_bytes(blake2b(joined, digest_size=16).digest(), "big")


def _column_orders(columns: list[tuple[int, ...]]) -> Iterator[list[int]]:
    """The orders of the columns that can be told from no better one; at least one, and not more than the bounds.

    Each yields the same rows up to the order of the columns, so equal digests always prove equal results.
    """
    waiting = [[sum(column) & _MASK for column in columns]]  # colours: one number per column; cells are hashes already
    cells = sum(map(len, columns))
    most = min(_MOST_ORDERS, 1 + _MOST_CELLS // max(cells, 1))
    found = read = 0
    while waiting and found < most and (found == 0 or read < _MOST_REFINED):
        colours = waiting.pop()
        if read < _MOST_REFINED:
            colours = _refined(columns, colours)
        read += cells
        tied = _tied(columns, colours)
        if len(tied) == 0 or read >= _MOST_REFINED:
            found += 1
            yield sorted(range(len(columns)), key=colours.__getitem__)
            continue
        for column in tied:
            waiting.append([_hash(colour, int(i == column)) for i, colour in enumerate(colours)])


def _refined(columns: list[tuple[int, ...]], colours: list[int]) -> list[int]:
    """Colours told apart further by the rows in which the columns' values stand, until that tells no more."""
    while len(_tied(columns, colours)) > 0:
        # Products of hashes: quick, and colours only propose orders, so that a coincidence could not prove anything.
        rows = [_hash(sum(map(mul, colours, row)) & _MASK) for row in zip(*columns, strict=True)]
        finer = [
            _hash(colour, sum(map(mul, rows, column)) & _MASK) for colour, column in zip(colours, columns, strict=True)
        ]
        if len(set(finer)) == len(set(colours)):
            return colours
        colours = finer
    return colours


def _tied(columns: list[tuple[int, ...]], colours: list[int]) -> list[int]:
    """The columns of the first colour that columns with different values share; equal columns need no order."""
    for colour in sorted(set(colours)):
        same = [i for i, other in enumerate(colours) if other == colour]
        if len({columns[i] for i in same}) > 1:
            return same
    return []
