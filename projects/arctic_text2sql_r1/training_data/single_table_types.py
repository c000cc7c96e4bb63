# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Question types over one table: filters, comparisons, NULL, DISTINCT, aggregates, groups, LIMIT.

Each builder draws its parts from a `Scene` and returns a `Draft`; a wrong form differs in one local decision. Dates,
LIKE and combined filters stand in `special_filter_types.py`, joins in `join_types.py`, subqueries, set operations,
CTEs and windows in `nested_types.py`.
"""

from collections import Counter

from domains import Column
from question_parts import COUNTING
from question_parts import INCLUSIVE
from question_parts import INCLUSIVE_TIME
from question_parts import LISTING
from question_parts import LISTING_ONE
from question_parts import STRICT
from question_parts import STRICT_TIME
from question_parts import Draft
from question_parts import Scene
from question_parts import Wordings
from question_parts import is_time
from question_parts import plural
from question_parts import question_type
from question_parts import quote
from question_parts import spoken
from question_parts import where
from question_parts import whom

HIGH = ("highest", "largest", "maximum")
LOW = ("lowest", "smallest", "minimum")
LATE = ("latest", "most recent")
EARLY = ("earliest", "oldest")
AVERAGE = ("average", "mean")
TOTAL = ("total", "sum of the")


def superlative(scene: Scene, column: Column, descending: bool) -> str:
    """The word for one end of a column's range."""
    if is_time(column):
        return scene.rng.choice(LATE if descending else EARLY)
    return scene.rng.choice(HIGH if descending else LOW)


@question_type("count_filter")
def count_filter(scene: Scene) -> Draft | None:
    table = scene.table_with("category")
    condition = scene.condition(table)
    if condition is None:
        return None
    question = scene.say(COUNTING, whom=whom(table, condition.text))
    return Draft(question=question, gold=f"SELECT COUNT(*) FROM {table.name}{where(condition.sql)}")


@question_type("column_filter")
def column_filter(scene: Scene) -> Draft | None:
    table = scene.rng.choice(scene.domain.tables)
    labels = table.of_kind("label")
    if len(labels) > 0 and scene.chance(0.15):
        value = scene.value(table, labels[0])
        column = scene.output(table, labels[0].name)
        question = scene.say(LISTING_ONE, what=column.phrase, whom=f"{table.name} {spoken(value)}")
        gold = f"SELECT {column.name} FROM {table.name} WHERE {labels[0].name} = {quote(value)}"
        return Draft(question=question, gold=gold)
    condition = scene.category_condition(table)
    if condition is None:
        return None
    column = scene.output(table, condition.column)
    question = scene.say(LISTING, what=column.phrase, whom=whom(table, condition.text))
    return Draft(question=question, gold=f"SELECT {column.name} FROM {table.name}{where(condition.sql)}")


@question_type("two_columns")
def two_columns(scene: Scene) -> Draft | None:
    table = scene.rng.choice(scene.domain.tables)
    condition = scene.condition(table)
    if condition is None:
        return None
    first = scene.output(table, condition.column)
    second = scene.output(table, condition.column, first.name)
    if first.name == second.name:
        return None
    what = f"{first.phrase} and {second.phrase}"
    question = scene.say(LISTING, what=what, whom=whom(table, condition.text))
    return Draft(question=question, gold=f"SELECT {first.name}, {second.name} FROM {table.name}{where(condition.sql)}")


def comparison(scene: Scene, words: Wordings, time_words: Wordings) -> Draft | None:
    """A column or a count filtered by one comparison; a wrong form drops the equals sign where there is one."""
    table = scene.rng.choice([t for t in scene.domain.tables if len(t.of_kind("number", "year")) > 0])
    column = scene.rng.choice(table.of_kind("number", "year"))
    value = scene.threshold(table, column)
    sign = scene.rng.choice(sorted(words))
    wordings = (time_words if is_time(column) else words)[sign]
    people = whom(table, scene.rng.choice(wordings).format(c=column.phrase, v=spoken(value)))
    if scene.chance(0.3):
        question, select = scene.say(COUNTING, whom=people), "COUNT(*)"
    else:
        shown = scene.output(table, column.name)
        question, select = scene.say(LISTING, what=shown.phrase, whom=people), shown.name
    gold = f"SELECT {select} FROM {table.name} WHERE {column.name} {sign} {quote(value)}"
    wrong = gold.replace(f" {sign} ", f" {sign[0]} ") if "=" in sign else None
    return Draft(question=question, gold=gold, wrong=wrong)


@question_type("compare_strict")
def compare_strict(scene: Scene) -> Draft | None:
    return comparison(scene, words=STRICT, time_words=STRICT_TIME)


@question_type("compare_inclusive", biased=True)
def compare_inclusive(scene: Scene) -> Draft | None:
    return comparison(scene, words=INCLUSIVE, time_words=INCLUSIVE_TIME)


@question_type("between")
def between(scene: Scene) -> Draft | None:
    table = scene.rng.choice([t for t in scene.domain.tables if len(t.of_kind("number", "year")) > 0])
    column = scene.rng.choice(table.of_kind("number", "year"))
    low, high = sorted([scene.threshold(table, column), scene.threshold(table, column)])
    words = ("with {c} between {a} and {b}", "whose {c} is between {a} and {b}", "with {c} from {a} to {b}")
    people = whom(table, scene.rng.choice(words).format(c=column.phrase, a=spoken(low), b=spoken(high)))
    shown = scene.output(table, column.name)
    gold = f"SELECT {shown.name} FROM {table.name} WHERE {column.name} BETWEEN {quote(low)} AND {quote(high)}"
    return Draft(question=scene.say(LISTING, what=shown.phrase, whom=people), gold=gold) if low != high else None


@question_type("is_null", biased=True)
def is_null(scene: Scene) -> Draft | None:
    table = scene.rng.choice([t for t in scene.domain.tables if any(c.null_rate > 0 for c in t.columns)])
    column = scene.rng.choice([c for c in table.columns if c.null_rate > 0])
    missing = scene.chance(0.5)
    words = ("without {c}", "that have no {c}", "whose {c} is missing", "with missing {c}")
    if not missing:
        words = ("with known {c}", "that do have {c} noted", "whose {c} is known", "whose {c} is not missing")
    extra = scene.maybe_condition(0.35, table, column.name)
    people = whom(table, scene.rng.choice(words).format(c=column.phrase), extra.text)
    if scene.chance(0.4):
        question, select = scene.say(COUNTING, whom=people), "COUNT(*)"
    else:
        shown = scene.output(table, column.name, extra.column)
        question, select = scene.say(LISTING, what=shown.phrase, whom=people), shown.name
    test, fault = ("IS NULL", "= NULL") if missing else ("IS NOT NULL", "!= NULL")
    start = f"SELECT {select} FROM {table.name}"
    return Draft(
        question=question,
        gold=start + where(f"{column.name} {test}", extra.sql),
        wrong=start + where(f"{column.name} {fault}", extra.sql),
    )


@question_type("distinct", biased=True)
def distinct(scene: Scene) -> Draft | None:
    table = scene.table_with("category", "year")
    column = scene.rng.choice(scene.complete(table, "category", "year"))
    extra = scene.maybe_condition(0.6, table, column.name)
    words = (
        "What are the {different} {cs} of {whom}?",
        "{open} the {different} {cs} of {whom}.",
        "Which {different} {cs} do {whom} have?",
        "{open} every {different} {c} among {whom}.",
    )
    different = scene.rng.choice(("different", "distinct", "unique"))
    people = whom(table, extra.text)
    question = scene.say(words, different=different, c=column.phrase, cs=plural(column.phrase), whom=people)
    rest = f"{column.name} FROM {table.name}{where(extra.sql)}"
    return Draft(question=question, gold=f"SELECT DISTINCT {rest}", wrong=f"SELECT {rest}")


@question_type("count_distinct", biased=True)
def count_distinct(scene: Scene) -> Draft | None:
    table = scene.table_with("category", "year", "number")
    column = scene.rng.choice(scene.complete(table, "category", "year", "number"))
    extra = scene.maybe_condition(0.6, table, column.name)
    words = (
        "How many {different} {cs} do {whom} have?",
        "Count the {different} {cs} of {whom}.",
        "What is the number of {different} {cs} among {whom}?",
        "{open} the number of {different} {cs} of {whom}.",
    )
    different = scene.rng.choice(("different", "distinct", "unique"))
    question = scene.say(words, different=different, cs=plural(column.phrase), whom=whom(table, extra.text))
    rest = f"{column.name}) FROM {table.name}{where(extra.sql)}"
    return Draft(question=question, gold=f"SELECT COUNT(DISTINCT {rest}", wrong=f"SELECT COUNT({rest}")


@question_type("extreme", biased=True)
def extreme(scene: Scene) -> Draft | None:
    table = scene.rng.choice(scene.domain.tables)
    columns = table.of_kind("number", "year", "date")
    if len(columns) == 0:
        return None
    column = scene.rng.choice(columns)
    descending = scene.chance(0.5)
    extra = scene.maybe_condition(0.5, table, column.name)
    words = (
        "What is the {most} {c} of {whom}?",
        "{open} the {most} {c} of {whom}.",
        "{open} the {most} {c} among {whom}.",
        "What is the {most} {c} for {whom}?",
    )
    most = superlative(scene, column, descending=descending)
    question = scene.say(words, most=most, c=column.phrase, whom=whom(table, extra.text))
    right, fault = ("MAX", "MIN") if descending else ("MIN", "MAX")
    rest = f"({column.name}) FROM {table.name}{where(extra.sql)}"
    return Draft(question=question, gold=f"SELECT {right}{rest}", wrong=f"SELECT {fault}{rest}")


@question_type("aggregate_filter", biased=True)
def aggregate_filter(scene: Scene) -> Draft | None:
    table = scene.rng.choice([t for t in scene.domain.tables if len(t.of_kind("number")) > 0])
    column = scene.rng.choice(table.of_kind("number"))
    condition = scene.condition(table, column.name)
    if condition is None:
        return None
    mean = scene.chance(0.5)
    words = (
        "What is the {total} {c} of {whom}?",
        "{open} the {total} {c} of {whom}.",
        "{open} the {total} {c} for all {whom}.",
        "For {whom}, what is the {total} {c}?",
    )
    total = scene.rng.choice(AVERAGE if mean else TOTAL)
    question = scene.say(words, total=total, c=column.phrase, whom=whom(table, condition.text))
    wrong = f"SELECT {'AVG' if mean else 'SUM'}({column.name}) FROM {table.name}"
    return Draft(question=question, gold=wrong + where(condition.sql), wrong=wrong)


@question_type("group_count")
def group_count(scene: Scene) -> Draft | None:
    table = scene.table_with("category", "year")
    column = scene.rng.choice(scene.complete(table, "category", "year"))
    extra = scene.maybe_condition(0.6, table, column.name)
    words = (
        "How many {whom} are there for each {c}?",
        "Count the {whom} per {c}.",
        "{open} each {c} with its number of {whom}.",
        "For each {c}, how many {whom} are there?",
        "{open} the {c} and the number of {whom} in it.",
    )
    question = scene.say(words, c=column.phrase, whom=whom(table, extra.text))
    gold = f"SELECT {column.name}, COUNT(*) FROM {table.name}{where(extra.sql)} GROUP BY {column.name}"
    return Draft(question=question, gold=gold)


@question_type("having", biased=True)
def having(scene: Scene) -> Draft | None:
    table = scene.table_with("category", "year")
    column = scene.rng.choice(scene.complete(table, "category", "year"))
    counts = Counter(scene.values[table.name, column.name])
    bound = scene.rng.choice(sorted(counts.values()))
    words = (
        "Which {cs} have at least {k} {plural}?",
        "{open} the {cs} with at least {k} {plural}.",
        "{open} every {c} that has {k} or more {plural}.",
        "What are the {cs} of {k} or more {plural}?",
        "Which {c} occurs for at least {k} {plural}?",
    )
    question = scene.say(words, c=column.phrase, cs=plural(column.phrase), k=str(bound), plural=table.plural)
    gold = f"SELECT {column.name} FROM {table.name} GROUP BY {column.name} HAVING COUNT(*) >= {bound}"
    return Draft(question=question, gold=gold, wrong=gold.replace(">=", ">")) if bound > 1 else None


@question_type("top_rows", biased=True)
def top_rows(scene: Scene) -> Draft | None:
    table = scene.table_with("number", "year", "date")
    column = scene.rng.choice(scene.complete(table, "number", "year", "date"))
    count = scene.rng.choice((1, 1, 2, 3, 4, 5))
    descending = scene.chance(0.5)
    extra = scene.maybe_condition(0.4, table, column.name)
    shown = scene.output(table, column.name, extra.column)
    subject = f"{count} {table.plural}" if count > 1 else table.name
    words = (
        "{open} the {what} of the {subject} with the {most} {c}.",
        "What is the {what} of the {subject} with the {most} {c}?",
        "For the {subject} with the {most} {c}, {open_low} the {what}.",
        "{open} the {what} for the {subject} of the {most} {c}.",
    )
    subject = f"{subject} {extra.text} and" if extra.text != "" else subject
    most = superlative(scene, column, descending=descending)
    question = scene.say(words, what=shown.phrase, subject=subject, most=most, c=column.phrase, open_low="show")
    order, fault = (" DESC", "") if descending else ("", " DESC")
    start = f"FROM {table.name}{where(extra.sql)} ORDER BY {column.name}"
    return Draft(
        question=question,
        gold=f"SELECT {shown.name} {start}{order} LIMIT {count}",
        wrong=f"SELECT {shown.name} {start}{fault} LIMIT {count}",
        tie_check=f"SELECT {column.name} {start}{order} LIMIT {count + 1}",
    )
