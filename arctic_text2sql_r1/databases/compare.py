# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Whether two result sets are the same: canonical rows, digests, and the comparison modes.

A worker feeds each row to a `RowDigester` and sends three digests instead of the rows; `results_match` compares two
executions by their digests. Rows are compared by column position. Standard library only, because every worker
imports this. Which rows of gold may trade places is found in `ties.py`; who runs what is in `pool.py`.

Values: NULL equals NULL; an integer equals a float of the same value, of any size; other floats are rounded to 10
significant digits, though never coarser than to a whole number (sums differ in the last bits with row order); -0.0
equals 0.0; text never equals a number or a blob. Booleans are integers in SQLite, and NaN is NULL.

Modes:
    default   same number of columns, same bag of rows; where gold's outermost SELECT orders, the same list of rows,
              except that rows which tie under gold's ORDER BY may stand in any order among themselves. A LIMIT that
              cuts through a tie leaves gold itself arbitrary: only the rows that gold returned count.
    bird      same set of rows, as BIRD's evaluator. Departures: floats are rounded as above, bad UTF-8 in a result is
              compared instead of failing, and a statement without a result set matches nothing.
"""

from collections.abc import Sequence
from hashlib import blake2b

from arctic_text2sql_r1.databases.base import Row
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ResultDigests

COMPARE_MODES = ("default", "bird")
_MODULUS = 1 << 128
_SAMPLE_ROWS = 5
_SAMPLE_CHARACTERS = 80


def canonical_number(value: float) -> int | float:
    """The int or float that stands for `value` and for everything that counts as equal to it."""
    if value.is_integer():
        return int(value)
    if abs(value) >= 1e10 and value - value == 0:  # inf - inf is NaN
        return round(value)
    rounded = float(f"{value:.10g}")
    return int(rounded) if rounded.is_integer() else rounded


def encode_row(row: Row) -> bytes:
    """Bytes that two rows share exactly when they are equal."""
    if float in map(type, row):
        row = tuple(canonical_number(value) if type(value) is float else value for value in row)
    # ascii() of a tuple of int, float, str, bytes and None is injective, runs in C, and takes lone surrogates.
    return ascii(row).encode("ascii")


def check_mode(mode: str) -> None:
    """Raise ValueError unless `mode` is a comparison mode."""
    if mode not in COMPARE_MODES:
        raise ValueError(f"Unknown comparison mode '{mode}'. Known modes: {', '.join(COMPARE_MODES)}.")


def results_match(gold: ExecutionResult, prediction: ExecutionResult, mode: str, gold_orders: bool) -> bool:
    """Whether `prediction` returned what `gold` returned.

    With `gold_orders` both ordered digests must have been taken under gold's tie groups. An execution that yielded
    no result set matches nothing. Raises ValueError for an unknown mode.
    """
    check_mode(mode)
    if gold.digests is None or prediction.digests is None:
        return False
    if mode == "bird":
        return gold.digests.distinct == prediction.digests.distinct
    if (gold.column_count, gold.row_count) != (prediction.column_count, prediction.row_count):
        return False
    if gold_orders:
        return gold.digests.ordered == prediction.digests.ordered
    return gold.digests.bag == prediction.digests.bag


class RowDigester:
    """A row sink that keeps a 128-bit hash per row and a few shortened rows for people to read."""

    def __init__(self) -> None:
        self.column_names: tuple[str, ...] = ()
        self.sample_rows: list[Row] = []
        self._hashes: list[bytes] = []

    def begin(self, column_names: tuple[str, ...]) -> None:
        self.column_names = column_names

    def add(self, row: Row) -> int:
        encoded = encode_row(row)
        self._hashes.append(blake2b(encoded, digest_size=16).digest())
        if len(self._hashes) <= _SAMPLE_ROWS:
            self.sample_rows.append(tuple(_shortened(value) for value in row))
        return len(encoded)

    def digests(self, segments: Sequence[int] | None = None) -> ResultDigests:
        """The three digests of the rows so far.

        `segments` are sizes of consecutive runs of rows within which order is free. They are gold's, so they are
        ignored when they do not add up to the number of rows: such a result differs from gold anyway.
        """
        numbers = [int.from_bytes(digest, "big") for digest in self._hashes]
        if segments is None or sum(segments) != len(numbers):
            ordered = b"".join(self._hashes)
        else:
            ordered = _segment_sums(numbers, segments)
        return ResultDigests(
            ordered=blake2b(ordered, digest_size=16).hexdigest(),
            bag=f"{sum(numbers) % _MODULUS:032x}",
            distinct=f"{sum(set(numbers)) % _MODULUS:032x}",
        )


def _segment_sums(numbers: list[int], segments: Sequence[int]) -> bytes:
    """One bag digest per segment; a segment of one row is that row's hash."""
    parts: list[bytes] = []
    position = 0
    for size in segments:
        parts.append((sum(numbers[position : position + size]) % _MODULUS).to_bytes(16, "big"))
        position += size
    return b"".join(parts)


def _shortened(value: object) -> object:
    """A value that JSON can carry and a terminal can show."""
    if isinstance(value, bytes):
        return f"x'{value[: _SAMPLE_CHARACTERS // 2].hex()}'"
    return value[:_SAMPLE_CHARACTERS] if isinstance(value, str) else value
