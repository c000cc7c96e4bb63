# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Question types with more than one SELECT or a window: averages, NOT IN, set operations, CTEs, RANK.

Types over one plain SELECT stand in `single_table_types.py`, joins in `join_types.py`.
"""

from domains import Column
from domains import Table
from question_parts import LISTING
from question_parts import Draft
from question_parts import Scene
from question_parts import is_time
from question_parts import plural
from question_parts import question_type
from question_parts import where
from question_parts import whom


@question_type("above_average")
def above_average(scene: Scene) -> Draft | None:
    table = scene.rng.choice([t for t in scene.domain.tables if len(t.of_kind("number", "year")) > 0])
    column = scene.rng.choice(table.of_kind("number", "year"))
    above = scene.chance(0.5)
    extra = scene.maybe_condition(0.3, table, column.name)
    words = ("with {c} {side} the average {c}", "whose {c} is {side} the average", "with {side} average {c}")
    side = scene.rng.choice(("above", "over") if above else ("below", "under"))
    people = whom(table, scene.rng.choice(words).format(c=column.phrase, side=side), extra.text)
    shown = scene.output(table, column.name, extra.column)
    nested = f"{column.name} {'>' if above else '<'} (SELECT AVG({column.name}) FROM {table.name})"
    gold = f"SELECT {shown.name} FROM {table.name}{where(nested, extra.sql)}"
    return Draft(question=scene.say(LISTING, what=shown.phrase, whom=people), gold=gold)


@question_type("not_in", biased=True)
def not_in(scene: Scene) -> Draft | None:
    child, key, parent = scene.rng.choice(scene.links())
    extra = scene.maybe_condition(0.5, child)
    shown = scene.output(parent)
    words = ("without any {x}", "that have no {x}", "with no {x}", "that do not have {x}")
    people = whom(parent, scene.rng.choice(words).format(x=whom(child, extra.text)))
    nested = f"(SELECT {key.name} FROM {child.name}{where(extra.sql)})"
    start = f"SELECT {shown.name} FROM {parent.name} WHERE id"
    question = scene.say(LISTING[:4], what=shown.phrase, whom=people)
    return Draft(question=question, gold=f"{start} NOT IN {nested}", wrong=f"{start} IN {nested}")


def names(scene: Scene, table: Table) -> list[str]:
    """The table's category columns that never hold NULL."""
    return [column.name for column in scene.complete(table, "category")]


def two_sides(scene: Scene) -> tuple[Column, str, str, str, str] | None:
    """A category column and two sets of rows that have it, each in words and as a SELECT.

    The sets are two tables that share the column's name, or one table under two different conditions.
    """
    table = scene.table_with("category")
    column = scene.rng.choice(scene.complete(table, "category"))
    others = [t for t in scene.domain.tables if t != table and column.name in names(scene, t)]
    if len(others) > 0 and scene.chance(0.5):
        other = scene.rng.choice(others)
        first, second = scene.maybe_condition(0.6, table, column.name), scene.maybe_condition(0.3, other, column.name)
    else:
        other = table
        first, second = scene.maybe_condition(1.0, table, column.name), scene.maybe_condition(1.0, other, column.name)
        # Two thresholds in the same direction would make one side part of the other.
        nested = any(sign in first.sql and sign in second.sql for sign in (" > ", " < "))
        if first.column == "" or first.column != second.column or nested:
            return None
    return (
        column,
        whom(table, first.text),
        whom(other, second.text),
        f"SELECT {column.name} FROM {table.name}{where(first.sql)}",
        f"SELECT {column.name} FROM {other.name}{where(second.sql)}",
    )


@question_type("set_operation", biased=True)
def set_operation(scene: Scene) -> Draft | None:
    sides = two_sides(scene)
    if sides is None or sides[3] == sides[4]:
        return None
    column, first, second, left, right = sides
    both = (
        "Which {cs} have both {a} and {b}?",
        "{open} the {cs} that have {a} and also {b}.",
        "{open} every {c} shared by {a} and {b}.",
    )
    either = ("{open} all {cs} of {a} together with those of {b}.", "{open} every {c} that has {a} or {b}.")
    minus = (
        "Which {cs} have {a} but no {b}?",
        "{open} the {cs} that have {a} but not {b}.",
        "{open} every {c} of {a} except those of {b}.",
    )
    words, operation, fault = scene.rng.choice(
        (
            (both, "INTERSECT", "UNION"),
            (either, "UNION", "UNION ALL"),
            (minus, "EXCEPT", "INTERSECT"),
        )
    )
    question = scene.say(words, c=column.phrase, cs=plural(column.phrase), a=first, b=second)
    return Draft(question=question, gold=f"{left} {operation} {right}", wrong=f"{left} {fault} {right}")


@question_type("cte")
def cte(scene: Scene) -> Draft | None:
    table = scene.table_with("category")
    column = scene.rng.choice(scene.complete(table, "category", "year"))
    extra = scene.maybe_condition(0.6, table, column.name)
    function, sign, word = scene.rng.choice((("MAX", "=", "most"), ("MIN", "=", "fewest"), ("AVG", ">", "")))
    words = (
        "Which {c} has the {word} {x}?",
        "Count the {x} per {c} and show the {c} with the {word}.",
        "{open} the {c} that has the {word} {x}.",
    )
    if function == "AVG":
        words = (
            "Which {cs} have more than the average number of {x} per {c}?",
            "Count the {x} per {c} and show each {c} above the average count.",
            "{open} the {cs} whose number of {x} is above the average per {c}.",
        )
    slots = dict(c=column.phrase, cs=plural(column.phrase), word=word, x=whom(table, extra.text))
    question = scene.say(words, **slots)
    name = column.name
    counts = f"WITH t AS (SELECT {name}, COUNT(*) AS n FROM {table.name}{where(extra.sql)} GROUP BY {name})"
    gold = f"{counts} SELECT {name} FROM t WHERE n {sign} (SELECT {function}(n) FROM t)"
    return Draft(question=question, gold=gold)


@question_type("rank", biased=True)
def rank(scene: Scene) -> Draft | None:
    table = scene.table_with("number", "year", "date")
    column = scene.rng.choice(scene.complete(table, "number", "year", "date"))
    descending = scene.chance(0.5)
    extra = scene.maybe_condition(0.4, table, column.name)
    shown = scene.output(table, column.name, extra.column)
    part = partition(scene, table, column.name, shown.name, extra.column)
    words = (
        "{open} the {what} and rank of {x} by {c}, {order} first{within}.",
        "Rank {x} by {c}{within}, {order} first, and show {what} and rank.",
        "{open} {what} and the rank by {c} with {order} first for {x}{within}.",
    )
    high, low = ("latest", "earliest") if is_time(column) else ("highest", "lowest")
    slots = dict(what=shown.phrase, x=whom(table, extra.text), c=column.phrase, order=high if descending else low)
    question = scene.say(words, within=f" within each {part}" if part != "" else "", **slots)
    over = f"PARTITION BY {part} ORDER BY {column.name}" if part != "" else f"ORDER BY {column.name}"
    end = f" FROM {table.name}{where(extra.sql)}"
    order, fault = (" DESC", "") if descending else ("", " DESC")
    return Draft(
        question=question,
        gold=f"SELECT {shown.name}, RANK() OVER ({over}{order}){end}",
        wrong=f"SELECT {shown.name}, RANK() OVER ({over}{fault}){end}",
    )


def partition(scene: Scene, table: Table, *without: str) -> str:
    """A category to rank within, in a quarter of draws."""
    left = [name for name in names(scene, table) if name not in without]
    return scene.rng.choice(left) if len(left) > 0 and scene.chance(0.25) else ""
