# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The permutation search of the spider modes on digests alone, and the statements that those modes run."""

import itertools
import random
import time

import pytest

from arctic_text2sql_r1.databases.base import Row
from arctic_text2sql_r1.databases.spider import PermutationDigester
from arctic_text2sql_r1.databases.spider import spider_orders
from arctic_text2sql_r1.databases.spider import spider_text
from arctic_text2sql_r1.types import ResultDigests


def digests_of(rows: list[Row]) -> ResultDigests:
    digester = PermutationDigester("spider")
    for row in rows:
        digester.add(row)
    return digester.digests()


def shuffled(rows: list[Row], seed: int, keep_rows: bool = False) -> list[Row]:
    """The rows with their columns in another order, and in another order themselves unless `keep_rows`."""
    generator = random.Random(seed)
    order = list(range(len(rows[0])))
    generator.shuffle(order)
    permuted = [tuple(row[i] for i in order) for row in rows]
    if not keep_rows:
        generator.shuffle(permuted)
    return permuted


def graph(*edges: tuple[int, int]) -> list[Row]:
    """One row per edge, one column per vertex: columns that only differ jointly."""
    vertices = range(1 + max(itertools.chain(*edges)))
    return [tuple(int(vertex in edge) for vertex in vertices) for edge in edges]


HEXAGON = graph((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0))
TRIANGLES = graph((0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3))
PETERSEN = graph(
    *[(i, (i + 1) % 5) for i in range(5)], *[(i, i + 5) for i in range(5)], (5, 7), (6, 8), (7, 9), (8, 5), (9, 6)
)
SYMMETRIC: dict[str, list[Row]] = {
    "truth table of 8": list(itertools.product((0, 1), repeat=8)),
    "truth table of 12": list(itertools.product((0, 1), repeat=12)),
    "12 identical columns": [(i,) * 12 for i in range(200)],
    "50 columns of 4 values": [tuple(random.Random(i).choices(range(4), k=50)) for i in range(500)],
    "50 unit vectors": [tuple(int(i == j) for i in range(50)) for j in range(50)],
    "latin square": [tuple((i + j) % 9 for i in range(9)) for j in range(9)],
    "hexagon": HEXAGON,
    "triangles": TRIANGLES,
    "petersen": PETERSEN,
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_permuted_columns_of_a_symmetric_result_are_found_soon(name: str) -> None:
    rows = SYMMETRIC[name]
    start = time.process_time()
    assert digests_of(rows).permuted_bag == digests_of(shuffled(rows, seed=1)).permuted_bag
    assert time.process_time() - start < 8.0  # about 2 at most on a quiet machine


def test_columns_with_equal_values_in_other_rows_are_told_apart() -> None:
    assert digests_of(HEXAGON).permuted_bag != digests_of(TRIANGLES).permuted_bag


def same_by_brute_force(one: list[Row], other: list[Row]) -> tuple[bool, bool]:
    """Whether some permutation of the columns makes the two the same bag, and the same list."""
    candidates = [
        [tuple(row[i] for i in order) for row in other] for order in itertools.permutations(range(len(one[0])))
    ]
    return any(sorted(rows) == sorted(one) for rows in candidates), one in candidates


@pytest.mark.parametrize("seed", range(150))
def test_search_agrees_with_brute_force_on_results_of_two_values(seed: int) -> None:
    generator = random.Random(seed)
    one: list[Row] = [tuple(generator.choices((0, 1), k=4)) for _ in range(generator.randint(2, 5))]
    other = shuffled(one, seed, keep_rows=seed % 2 == 0)
    if seed % 3 == 0:  # swap two cells of a column: every column keeps its values, most rows do not
        swapped = [list(row) for row in other]
        swapped[0][0], swapped[1][0] = swapped[1][0], swapped[0][0]
        other = [tuple(row) for row in swapped]
    mine, its = digests_of(one), digests_of(other)
    same = (mine.permuted_bag == its.permuted_bag, mine.permuted_ordered == its.permuted_ordered)
    assert same == same_by_brute_force(one, other)


def test_bytes_that_are_no_utf8_are_dropped_and_numbers_stay_exact() -> None:
    assert digests_of([("caf\udce9",)]).permuted_bag == digests_of([("caf",)]).permuted_bag
    assert digests_of([(0.1 + 0.2,)]).permuted_bag != digests_of([(0.3,)]).permuted_bag
    assert digests_of([(2**53 + 1,)]).permuted_bag != digests_of([(2.0**53,)]).permuted_bag
    assert digests_of([(2**53,)]).permuted_bag == digests_of([(2.0**53,)]).permuted_bag


@pytest.mark.parametrize(
    ("sql", "run"),
    [
        ("SELECT DISTINCT a FROM t", "SELECT  a FROM t"),
        ("SELECT count(distinct a) FROM t", "SELECT count( a) FROM t"),
        ("SELECT 'distinct' FROM t -- distinct", "SELECT 'distinct' FROM t -- distinct"),
        ('SELECT "distinct" FROM t', 'SELECT "distinct" FROM t'),
        ("SELECT a FROM t WHERE a IS NOT DISTINCT FROM 1", "SELECT a FROM t WHERE a IS NOT DISTINCT FROM 1"),
        ("SELECT a FROM t WHERE a > = 1 AND b ! = 2", "SELECT a FROM t WHERE a >= 1 AND b != 2"),
    ],
)
def test_statement_is_rewritten_as_the_published_evaluator_does(sql: str, run: str) -> None:
    assert spider_text(sql, keep_distinct=False) == run


def test_order_is_looked_for_in_the_text_alone() -> None:
    assert spider_orders("SELECT 'Order By'")
    assert not spider_orders("SELECT a FROM t ORDER  BY a")
