# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Question types that join a table with the one its foreign key points to: filter, aggregate, group.

Only inner joins over declared foreign keys; subqueries over the same links stand in `nested_types.py`.
"""

from domains import Column
from domains import Table
from question_parts import COUNTING
from question_parts import LISTING
from question_parts import Draft
from question_parts import Scene
from question_parts import is_time
from question_parts import question_type
from question_parts import where
from question_parts import whom


def join(child: Table, key: Column, parent: Table) -> str:
    """`FROM book JOIN author ON book.author_id = author.id`."""
    return f"FROM {child.name} JOIN {parent.name} ON {child.name}.{key.name} = {parent.name}.id"


def belonging(scene: Scene, child: Table, parent: Table, text: str) -> str:
    """`books of authors from Japan`, in one of several wordings."""
    words = ("{children} of {parents} {text}", "{children} that belong to {parents} {text}")
    return scene.rng.choice(words).format(children=child.plural, parents=parent.plural, text=text)


@question_type("join_filter", biased=True)
def join_filter(scene: Scene) -> Draft | None:
    child, key, parent = scene.rng.choice(scene.links())
    backwards = scene.chance(0.3)
    filtered, shown_from = (child, parent) if backwards else (parent, child)
    condition = scene.condition(filtered, prefix=f"{filtered.name}.")
    if condition is None:
        return None
    shown = scene.output(shown_from, condition.column)
    if backwards:
        words = (
            "{open} the {p} {c} of each of the {x}.",
            "What is the {p} {c} for the {x}?",
            "For {x}, show the {p} {c}.",
        )
        question = scene.say(words, p=parent.name, c=shown.phrase, x=whom(child, condition.text))
    else:
        question = scene.say(LISTING, what=shown.phrase, whom=belonging(scene, child, parent, condition.text))
    gold = f"SELECT {shown_from.name}.{shown.name} {join(child, key, parent)} WHERE {condition.sql}"
    return Draft(question=question, gold=gold, wrong=gold.replace(f".{key.name} = ", ".id = "))


@question_type("join_aggregate")
def join_aggregate(scene: Scene) -> Draft | None:
    child, key, parent = scene.rng.choice(scene.links())
    condition = scene.condition(parent, prefix=f"{parent.name}.")
    if condition is None:
        return None
    people = belonging(scene, child, parent, condition.text)
    numbers = child.of_kind("number", "year")
    if len(numbers) == 0 or scene.chance(0.4):
        question, select = scene.say(COUNTING, whom=people), "COUNT(*)"
    else:
        column = scene.rng.choice(numbers)
        name, word = aggregate(scene, column)
        words = (
            "What is the {total} {c} of {x}?",
            "{open} the {total} {c} of {x}.",
            "For {x}, what is the {total} {c}?",
        )
        question = scene.say(words, total=word, c=column.phrase, x=people)
        select = f"{name}({child.name}.{column.name})"
    return Draft(question=question, gold=f"SELECT {select} {join(child, key, parent)} WHERE {condition.sql}")


def aggregate(scene: Scene, column: Column) -> tuple[str, str]:
    """An aggregate function that makes sense for the column, with its word."""
    if is_time(column):
        return scene.rng.choice((("MAX", "latest"), ("MIN", "earliest")))
    return scene.rng.choice((("AVG", "average"), ("SUM", "total"), ("MAX", "highest"), ("MIN", "lowest")))


def counted_group(scene: Scene, rows: str, group: str) -> tuple[str, str]:
    """A question for the number of rows per group, with its aggregate."""
    words = (
        "How many {x} are there for each {g}?",
        "Count the {x} per {g}.",
        "{open} each {g} with its number of {x}.",
        "For each {g}, how many {x} are there?",
    )
    return scene.say(words, x=rows, g=group), "COUNT(*)"


def aggregated_group(scene: Scene, child: Table, number: Column, rows: str, group: str) -> tuple[str, str]:
    """A question for an aggregate of `number` per group, with that aggregate."""
    name, word = aggregate(scene, number)
    words = (
        "What is the {total} {n} of {x} for each {g}?",
        "{open} each {g} with the {total} {n} of its {x}.",
        "For each {g}, what is the {total} {n} of {x}?",
    )
    return scene.say(words, total=word, n=number.phrase, x=rows, g=group), f"{name}({child.name}.{number.name})"


@question_type("join_group")
def join_group(scene: Scene) -> Draft | None:
    child, key, parent = scene.rng.choice(scene.links())
    column = scene.rng.choice(scene.complete(parent, "category", "label", "year"))
    extra = scene.maybe_condition(0.4, child, column.name, prefix=f"{child.name}.")
    rows, group = whom(child, extra.text), f"{parent.name} {column.phrase}"
    numbers = [number for number in child.of_kind("number") if number.name != extra.column]
    if len(numbers) == 0 or scene.chance(0.5):
        question, select = counted_group(scene, rows=rows, group=group)
    else:
        question, select = aggregated_group(scene, child, scene.rng.choice(numbers), rows=rows, group=group)
    by = f"{parent.name}.{column.name}"
    gold = f"SELECT {by}, {select} {join(child, key, parent)}{where(extra.sql)} GROUP BY {by}"
    return Draft(question=question, gold=gold)
