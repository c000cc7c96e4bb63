# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Question types whose point is a particular filter: AND, OR, years and spans of dates, LIKE.

Plain filters, aggregates and groups stand in `single_table_types.py`.
"""

from domains import Column
from domains import Table
from question_parts import COUNTING
from question_parts import LISTING
from question_parts import Draft
from question_parts import Scene
from question_parts import question_type
from question_parts import quote
from question_parts import spoken
from question_parts import where
from question_parts import whom


def shown_or_counted(scene: Scene, table: Table, people: str, *without: str, counted: float) -> tuple[str, str]:
    """A question about `people` and what to select: COUNT(*) in a share `counted` of draws, else a column."""
    if scene.chance(counted):
        return scene.say(COUNTING, whom=people), "COUNT(*)"
    shown = scene.output(table, *without)
    return scene.say(LISTING, what=shown.phrase, whom=people), shown.name


@question_type("either_value", biased=True)
def either_value(scene: Scene) -> Draft | None:
    table = scene.rng.choice([t for t in scene.domain.tables if len(t.of_kind("category")) > 0])
    column = scene.rng.choice(table.of_kind("category"))
    first, second = scene.rng.sample(sorted(set(map(str, scene.values[table.name, column.name]))), 2)
    words = (
        "whose {c} is {a} or {b}",
        "with {c} {a} or {b}",
        "whose {c} is either {a} or {b}",
        "having {c} {a} or {b}",
    )
    people = whom(table, scene.rng.choice(words).format(c=column.phrase, a=spoken(first), b=spoken(second)))
    question, select = shown_or_counted(scene, table, people, column.name, counted=0.4)
    left, right = f"{column.name} = {quote(first)}", f"{column.name} = {quote(second)}"
    start = f"SELECT {select} FROM {table.name} WHERE {left}"
    return Draft(question=question, gold=f"{start} OR {right}", wrong=f"{start} AND {right}")


@question_type("two_filters")
def two_filters(scene: Scene) -> Draft | None:
    table = scene.rng.choice(scene.domain.tables)
    first = scene.category_condition(table)
    second = scene.condition(table, first.column) if first is not None else None
    if first is None or second is None:
        return None
    people = whom(table, first.text, second.text)
    question, select = shown_or_counted(scene, table, people, first.column, second.column, counted=0.4)
    return Draft(question=question, gold=f"SELECT {select} FROM {table.name}{where(first.sql, second.sql)}")


@question_type("date_year", biased=True)
def date_year(scene: Scene) -> Draft | None:
    table = scene.rng.choice([t for t in scene.domain.tables if len(t.of_kind("date")) > 0])
    column = scene.rng.choice(table.of_kind("date"))
    year = str(scene.value(table, column))[:4]
    words = ("with {c} in {y}", "whose {c} is in {y}", "with a {c} in the year {y}", "whose {c} falls in {y}")
    extra = scene.maybe_condition(0.4, table, column.name)
    people = whom(table, scene.rng.choice(words).format(c=column.phrase, y=year), extra.text)
    question, select = shown_or_counted(scene, table, people, column.name, extra.column, counted=0.5)
    start = f"SELECT {select} FROM {table.name}"
    # Comparing the whole date with a year never matches: the classic fault of text dates.
    return Draft(
        question=question,
        gold=start + where(f"strftime('%Y', {column.name}) = '{year}'", extra.sql),
        wrong=start + where(f"{column.name} = '{year}'", extra.sql),
    )


@question_type("date_window")
def date_window(scene: Scene) -> Draft | None:
    table = scene.rng.choice([t for t in scene.domain.tables if len(t.of_kind("date")) > 0])
    later = [column for column in table.of_kind("date") if column.after != ""]
    if len(later) > 0 and scene.chance(0.4):
        return date_gap(scene, table=table, column=later[0])
    column = scene.rng.choice(table.of_kind("date"))
    start, days = str(scene.value(table, column)), scene.rng.choice((7, 10, 14, 30, 60, 90))
    words = (
        "whose {c} is between {d} and {n} days later",
        "with {c} from {d} until {n} days later",
        "with {c} within {n} days from {d}",
    )
    people = whom(table, scene.rng.choice(words).format(c=column.phrase, n=days, d=spoken(start)))
    question, select = shown_or_counted(scene, table, people, column.name, counted=0.4)
    condition = f"{column.name} BETWEEN '{start}' AND date('{start}', '+{days} days')"
    return Draft(question=question, gold=f"SELECT {select} FROM {table.name} WHERE {condition}")


def date_gap(scene: Scene, table: Table, column: Column) -> Draft:
    """Rows whose second date is more than some days after the first."""
    days = scene.rng.randint(3, 28)
    words = (
        "with {c} more than {n} days after {first}",
        "whose {c} is over {n} days after {first}",
        "where {c} is more than {n} days later than {first}",
    )
    text = scene.rng.choice(words).format(c=column.phrase, n=days, first=column.after)
    question, select = shown_or_counted(scene, table, whom(table, text), column.name, counted=0.3)
    condition = f"julianday({column.name}) - julianday({column.after}) > {days}"
    return Draft(question=question, gold=f"SELECT {select} FROM {table.name} WHERE {condition}")


@question_type("like", biased=True)
def like(scene: Scene) -> Draft | None:
    table = scene.rng.choice([t for t in scene.domain.tables if len(t.of_kind("label", "category")) > 0])
    column = scene.rng.choice(table.of_kind("label", "category"))
    value = str(scene.value(table, column))
    size = scene.rng.choice((1, 1, 2))
    starts = scene.chance(0.5)
    part = value[:size] if starts else value[-size:]
    if not part.isascii() or not part.isalpha():
        return None
    ends = ("start with {p}", "begin with {p}") if starts else ("end with {p}", "end in {p}")
    words = (
        "{open} the {c} of {whom} whose {c} {verb}s with {p}.",
        "Which {whom} have a {c} that {verb}s with {p}? Show the {c}.",
        "{open} every {table} {c} that {verb}s with {p}.",
        "What {table} {c} {verb}s with {p}?",
    )
    verb = scene.rng.choice(ends).split(" ")[0]
    extra = scene.maybe_condition(0.3, table, column.name)
    question = scene.say(words, c=column.phrase, whom=table.plural, table=table.name, verb=verb, p=spoken(part))
    if extra.text != "":
        question = f"{question[:-1]}, only for {whom(table, extra.text)}{question[-1]}"
    pattern = f"{part}%" if starts else f"%{part}"
    start = f"SELECT {column.name} FROM {table.name}"
    return Draft(
        question=question,
        gold=start + where(f"{column.name} LIKE '{pattern}'", extra.sql),
        wrong=start + where(f"{column.name} LIKE '%{part}%'", extra.sql),
    )
