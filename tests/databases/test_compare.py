# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What counts as the same row and the same result, on digests alone."""

import random

import pytest

from arctic_text2sql_r1.databases.base import Row
from arctic_text2sql_r1.databases.compare import RowDigester
from arctic_text2sql_r1.databases.compare import encode_row
from arctic_text2sql_r1.databases.compare import results_match
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus


def result_of(rows: list[Row], segments: list[int] | None = None) -> ExecutionResult:
    digester = RowDigester()
    for row in rows:
        digester.add(row)
    return ExecutionResult(
        ExecutionStatus.OK,
        row_count=len(rows),
        column_count=len(rows[0]) if rows else 1,
        digests=digester.digests(segments),
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (0, -0.0),
        (2**53, float(2**53)),
        (10**18, 1e18),
        (0.3, 0.1 + 0.2),
        (3, 2.9999999999999996),
        (1 / 3, 0.33333333333),
        (12345678901, 12345678901.000002),
        (float("inf"), 1e999),
        (None, None),
        ("\udce9", "\udce9"),
    ],
)
def test_values_that_count_as_equal(one: object, other: object) -> None:
    assert encode_row((one,)) == encode_row((other,))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, "1"),
        (1.5, "1.5"),
        (None, "None"),
        (None, ""),
        (None, 0),
        ("a", b"a"),
        ("a", "A"),
        ("a", "a "),
        ("", b""),
        (2**53 + 1, float(2**53)),
        (10**18, 10**18 + 1),
        (0.1234567891, 0.1234567892),
        (float("inf"), float("-inf")),
        ("\udce9", "\udcea"),
        ("é", "e\u0301"),
    ],
)
def test_values_that_count_as_different(one: object, other: object) -> None:
    assert encode_row((one,)) != encode_row((other,))


def agree(one: list[Row], other: list[Row]) -> bool:
    return results_match(result_of(one), result_of(other), mode="default", gold_orders=False)


@pytest.mark.parametrize("digits", [0, 1, 2, 4])
@pytest.mark.parametrize("highest", [1e3, 1e6, 1e8, 1e10, 1e12, 1e13])
def test_sum_of_decimals_does_not_depend_on_the_order_of_rows(highest: float, digits: int) -> None:
    generator = random.Random(3)
    for _ in range(250):
        values = [round(generator.uniform(0, highest), digits) for _ in range(100)]
        assert agree([(sum(values),)], [(sum(sorted(values)),)]), values


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (123456789012345.2, 123456789012345.9, True),  # both are 1.234567890e14
        (123456789012345.2, 123456789112345.2, False),
        (12345678901, 12345678901.3, True),  # rounds to the integer
        (12345678901, 12345678902.0, False),
        (12345678901, 12345678902, False),
        (12345678901.0, 12345678902.0, True),  # as floats, 10 digits count
        (1e300, 1.00000000001e300, True),
        (1e300, 1.00000001e300, False),
        (1.7976931348623157e308, float("inf"), False),
        (-12345678901.5, -12345678901.500002, True),
        (100000.12345, 100000.12344999999, True),  # a tie of decimals, less an error of the last bit
    ],
)
def test_large_floats_agree_to_10_digits_and_integers_exactly(one: float, other: float, equal: bool) -> None:
    assert agree([(one, "x"), (1, "y")], [(other, "x"), (1, "y")]) == equal
    assert agree([(other, "x"), (1, "y")], [(one, "x"), (1, "y")]) == equal


def test_cell_borders_cannot_be_shifted() -> None:
    assert encode_row(("a', 'b",)) != encode_row(("a", "b"))
    assert encode_row(("a", "bc")) != encode_row(("ab", "c"))


# (gold rows, prediction rows, equal as bag, as list, as set)
TABLE = [
    ([(1,), (2,)], [(1,), (2,)], True, True, True),
    ([(1,), (2,)], [(2,), (1,)], True, False, True),
    ([(1,), (1,), (2,)], [(1,), (2,)], False, False, True),
    ([(1,), (1,), (2,)], [(1,), (2,), (2,)], False, False, True),
    ([(1, 2)], [(2, 1)], False, False, False),
    ([(1,)], [(1, 1)], False, False, False),
    ([], [], True, True, True),
    ([], [(None,)], False, False, False),
]


@pytest.mark.parametrize(("gold", "prediction", "bag", "listed", "as_set"), TABLE)
def test_each_mode_compares_as_it_says(
    gold: list[Row], prediction: list[Row], bag: bool, listed: bool, as_set: bool
) -> None:
    one, other = result_of(gold), result_of(prediction)
    assert results_match(one, other, mode="default", gold_orders=False) == bag
    assert results_match(one, other, mode="default", gold_orders=True) == listed
    assert results_match(one, other, mode="bird", gold_orders=True) == as_set


def test_rows_move_freely_inside_a_segment_and_not_across() -> None:
    gold = result_of([(1,), (2,), (3,)], segments=[2, 1])
    inside = result_of([(2,), (1,), (3,)], segments=[2, 1])
    across = result_of([(1,), (3,), (2,)], segments=[2, 1])
    assert results_match(gold, inside, mode="default", gold_orders=True)
    assert not results_match(gold, across, mode="default", gold_orders=True)


def test_empty_results_of_different_width_differ_by_default() -> None:
    one = result_of([])
    wide = ExecutionResult(ExecutionStatus.OK, column_count=2, digests=one.digests)
    assert not results_match(one, wide, mode="default", gold_orders=False)
    assert results_match(one, wide, mode="bird", gold_orders=False)


def test_statement_without_result_set_matches_nothing() -> None:
    nothing = ExecutionResult(ExecutionStatus.NO_RESULT_SET)
    assert not results_match(nothing, nothing, mode="default", gold_orders=False)
    assert not results_match(result_of([]), nothing, mode="bird", gold_orders=False)


def test_unknown_mode_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'exact'.*default, bird, spider"):
        results_match(result_of([]), result_of([]), mode="exact", gold_orders=False)
