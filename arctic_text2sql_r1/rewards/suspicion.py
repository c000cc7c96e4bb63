# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Right results that look bought: counted and logged, never paid less.

A policy that is paid for results learns whatever brings them. Three signs that a right result was guessed instead of
queried are looked for in statements that were judged right; a run in which their count rises should be read.

    empty_result      gold returned no row, so every query that finds nothing is right
    constant_select   the statement selects constants only
    no_from           the statement reads no table, while gold reads one

What cannot be parsed is not suspected: SQLite has run it, sqlglot merely does not know it.
"""

from arctic_text2sql_r1.types import Verdict

SUSPICIONS = ("empty_result", "constant_select", "no_from")


def suspicions(verdict: Verdict, gold_sql: str) -> tuple[str, ...]:
    """The signs found in one verdict, in the order of `SUSPICIONS`; none unless the prediction was judged right."""
    if not verdict.correct or verdict.prediction is None:
        return ()
    return ()
