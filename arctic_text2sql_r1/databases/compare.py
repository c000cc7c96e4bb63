# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Whether two result sets are the same: canonical rows, digests, and the comparison modes.

A worker feeds each row to a `RowDigester` and sends digests and counts instead of the rows; `results_match` compares
two executions by their digests. Standard library only, because every worker imports this. Which rows of gold may
trade places is found in `ties.py`, what is special about Spider's evaluator is in `spider.py`; who runs what is in
`pool.py`.

In every mode NULL equals NULL; an integer equals a float of the same value, of any size; -0.0 equals 0.0; text never
equals a number or a blob. Booleans are integers in SQLite, and NaN is NULL. A statement without a result set matches
nothing, whatever gold returned, and only one statement is run: there the published evaluators can be fooled.

Modes:
    default   same number of columns, same bag of rows, columns by position; where gold's outermost SELECT orders, the
              same list of rows, except that rows which tie under gold's ORDER BY may stand in any order among
              themselves. A LIMIT that cuts through a tie leaves gold itself arbitrary: only the rows that gold
              returned count. Floats are rounded to 10 significant digits (sums differ in the last bits with row
              order); one of 1e10 or more also equals the integer that it is, or would be rounded to.
    bird      same set of rows, columns by position, numbers exact, as BIRD's evaluator. Departure: bad UTF-8 in a
              result is compared byte by byte instead of failing.
    spider    same bag of rows under some permutation of the columns, the same list where gold's text contains
              "order by", numbers exact, every DISTINCT removed from both statements, as Spider's test-suite evaluator
              does by default. Departures: see `spider.py`.
    spider_keep_distinct    the same with DISTINCT left in place, as that evaluator's option of this name.
"""

import base64
import functools
import math
import sys
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

from arctic_text2sql_r1.databases.base import Row
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ResultDigests
from arctic_text2sql_r1.types import RowOverlap

SPIDER_MODES = ("spider", "spider_keep_distinct")
COMPARE_MODES = ("default", "bird", *SPIDER_MODES)
_MODULUS = 1 << 128
_SAMPLE_ROWS = 5
_SHOWN_CHARACTERS = 80
_LARGE = 1e10
_ROUNDED_CHARACTERS = 11  # ten digits and a point: a float that is written so is its own rounding
# Sums of decimals (prices) often lie within an error of the last bit of ...5, where rounding would part equal sums.
# This factor moves the borders to where decimals do not gather.
_NUDGE = 1 + 3e-12
_BOTH = "+"  # joins the digest of whole numbers and that of rounded ones, where the two differ
_PACKED_ROWS = 100_000  # the profile of a larger gold result is not sent


def canonical_number(value: float) -> int | float:
    """The int or float that stands for `value` and for everything that counts as equal to it by default.

    Values of 1e10 and more stand for whole numbers here, so that they can equal integers, which are exact.
    """
    if value.is_integer():
        return int(value)
    if len(repr(value)) <= _ROUNDED_CHARACTERS:
        return value
    if _LARGE <= abs(value) < math.inf:
        return round(value)
    rounded = rounded_number(value)
    return int(rounded) if rounded.is_integer() else rounded


def rounded_number(value: float) -> float:
    """`value` to 10 significant digits, halves and what falls just short of them away from zero."""
    rounded = float(f"{value * _NUDGE:.10g}")
    return rounded if abs(rounded) < math.inf else value  # the largest floats have nothing above them to round to


def exact_number(value: float) -> int | float:
    """The int of the same value if there is one, else `value` itself."""
    return int(value) if value.is_integer() else value


def encode_row(row: Row, exact: bool = False) -> bytes:
    """Bytes that two rows share exactly when they are equal; floats are rounded unless `exact`."""
    if float in map(type, row):
        number = exact_number if exact else canonical_number
        row = tuple([number(value) if type(value) is float else value for value in row])
    return _bytes_of(row)


def encode_row_rounded(row: Row) -> bytes | None:
    """The row with its large floats rounded to 10 digits and equal to no integer; None when it has none of them."""
    floats = [value for value in row if type(value) is float]
    if len(floats) == 0 or (max(floats) < _LARGE and min(floats) > -_LARGE):
        return None
    return _bytes_of(tuple([_rounded_if_large(value) if type(value) is float else value for value in row]))


def _rounded_if_large(value: float) -> int | float:
    return rounded_number(value) if _LARGE <= abs(value) < math.inf else canonical_number(value)


def _bytes_of(row: Row) -> bytes:
    # ascii() of a tuple of int, float, str, bytes and None is injective, runs in C, and takes lone surrogates.
    return ascii(row).encode("ascii")


def check_mode(mode: str) -> None:
    """Raise ValueError unless `mode` is a comparison mode."""
    if mode not in COMPARE_MODES:
        raise ValueError(f"Unknown comparison mode '{mode}'. Known modes: {', '.join(COMPARE_MODES)}.")


def results_match(gold: ExecutionResult, prediction: ExecutionResult, mode: str, gold_orders: bool) -> bool:
    """Whether `prediction` returned what `gold` returned; both must have been digested in `mode`.

    With `gold_orders` both ordered digests must have been taken under gold's tie groups. An execution that yielded
    no result set matches nothing. Raises ValueError for an unknown mode.
    """
    check_mode(mode)
    if gold.digests is None or prediction.digests is None:
        return False
    if mode == "bird":
        return digests_agree(gold.digests.distinct, prediction.digests.distinct)
    if mode in SPIDER_MODES and gold.row_count == 0 and prediction.row_count == 0:
        return True
    if (gold.column_count, gold.row_count) != (prediction.column_count, prediction.row_count):
        return False
    kind = "ordered" if gold_orders else "bag"
    if mode in SPIDER_MODES:
        kind = f"permuted_{kind}"
    return digests_agree(getattr(gold.digests, kind), getattr(prediction.digests, kind))


def digests_agree(one: str, other: str) -> bool:
    """Whether two digests of one kind agree in one of their readings."""
    return not set(one.split(_BOTH)).isdisjoint(other.split(_BOTH))


class RowDigester:
    """A row sink that keeps a 128-bit hash per row and a few shortened rows for people to read.

    Rows after the first `most_rows` are not looked at: a result that has them is known to differ from gold.
    """

    def __init__(self, mode: str = "default", most_rows: int = sys.maxsize) -> None:
        self.column_names: tuple[str, ...] = ()
        self.sample_rows: list[Row] = []
        self._most_rows = max(most_rows, _SAMPLE_ROWS)
        self._exact = mode != "default"
        self._hashes: list[bytes] = []
        self._rounded: dict[int, bytes] = {}  # by row: its other hash, where it has one
        self._counts: Counter[bytes] = Counter()  # of the rows, once `overlap` has counted them

    def begin(self, column_names: tuple[str, ...]) -> None:
        self.column_names = column_names
        self.sample_rows.clear()
        self._hashes.clear()
        self._rounded.clear()

    def add(self, row: Row) -> int:
        if len(self._hashes) >= self._most_rows:
            return _rough_size(row)
        encoded = encode_row(row, self._exact)
        self._hashes.append(blake2b(encoded, digest_size=16).digest())
        if not self._exact and (rounded := encode_row_rounded(row)) is not None:
            self._rounded[len(self._hashes) - 1] = blake2b(rounded, digest_size=16).digest()
        if len(self._hashes) <= _SAMPLE_ROWS:
            self.sample_rows.append(tuple(_shortened(value) for value in row))
        return len(encoded)

    @property
    def row_count(self) -> int:
        """How many rows were looked at."""
        return len(self._hashes)

    @property
    def short_column_names(self) -> tuple[str, ...]:
        """The column names as they are sent: a statement chooses them, so they could be of any length."""
        return tuple(name[:_SHOWN_CHARACTERS] for name in self.column_names)

    def digests(self, segments: Sequence[int] | None = None) -> ResultDigests:
        """The digests of the rows so far.

        `segments` are sizes of consecutive runs of rows within which order is free. They are gold's, so they are
        ignored when they do not add up to the number of rows: such a result differs from gold anyway. Where floats of
        1e10 or more were rounded, a digest is two, one per reading, and `results_match` asks for either.
        """
        digests = _digests(self._hashes, segments)
        if len(self._rounded) == 0:
            return digests
        rounded = _digests([self._rounded.get(i, own) for i, own in enumerate(self._hashes)], segments)
        return ResultDigests(
            ordered=digests.ordered + _BOTH + rounded.ordered,
            bag=digests.bag + _BOTH + rounded.bag,
            distinct=digests.distinct + _BOTH + rounded.distinct,
        )

    def packed_rows(self) -> str | None:
        """The rows so far as text for `overlap`, 8 bytes of hash each; None when there are too many."""
        if len(self._hashes) > _PACKED_ROWS:
            return None
        return base64.b64encode(b"".join(digest[:8] for digest in self._hashes)).decode("ascii")

    def overlap(self, packed_gold: str) -> RowOverlap:
        """What the rows so far have in common with the rows of gold."""
        golds = _unpacked(packed_gold)
        if sum(self._counts.values()) != len(self._hashes):
            self._counts = Counter([digest[:8] for digest in self._hashes])
        mine = self._counts
        shared = mine.keys() & golds.keys()
        return RowOverlap(
            common=sum([min(mine[row], golds[row]) for row in shared]),
            distinct_common=len(shared),
            distinct_prediction=len(mine),
            distinct_gold=len(golds),
        )


@functools.lru_cache(maxsize=4)  # the predictions of one gold come in a row
def _unpacked(packed_gold: str) -> Counter[bytes]:
    """How often gold holds each row, by the first 8 bytes of its hash."""
    packed = base64.b64decode(packed_gold)
    return Counter(packed[i : i + 8] for i in range(0, len(packed), 8))


def _digests(hashes: list[bytes], segments: Sequence[int] | None) -> ResultDigests:
    numbers = [int.from_bytes(digest, "big") for digest in hashes]
    if segments is None or sum(segments) != len(numbers):
        ordered = b"".join(hashes)
    else:
        ordered = _segment_sums(numbers, segments)
    return ResultDigests(
        ordered=blake2b(ordered, digest_size=16).hexdigest(),
        bag=f"{sum(numbers) % _MODULUS:032x}",
        distinct=f"{sum(set(numbers)) % _MODULUS:032x}",
    )


def _rough_size(row: Row) -> int:
    """About as many bytes as the row's encoding has, at a fraction of its cost."""
    return 8 * len(row) + sum([len(value) for value in row if type(value) is str or type(value) is bytes])


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
        return f"x'{value[: _SHOWN_CHARACTERS // 2].hex()}'"
    return value[:_SHOWN_CHARACTERS] if isinstance(value, str) else value
