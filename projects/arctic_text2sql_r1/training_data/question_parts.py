# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The parts that questions are made of: a scene (one database with its values), conditions, phrasings, a draft.

What is asked with these parts stands in the four `*_types.py` modules; guards and sets in `build_questions.py`.
"""

import math
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from domains import Column
from domains import Domain
from domains import Table

Value = str | int | float
Wordings = dict[str, tuple[str, ...]]

OPENERS = ("List", "Show", "Give", "Find", "Return", "Get", "Tell me")
LISTING = (
    "{open} the {what} of {whom}.",
    "{open} the {what} of all {whom}.",
    "What is the {what} of {whom}?",
    "{open} the {what} for {whom}.",
    "For {whom}, what is the {what}?",
)
LISTING_ONE = ("{open} the {what} of {whom}.", "What is the {what} of {whom}?", "For {whom}, what is the {what}?")
COUNTING = (
    "How many {whom} are there?",
    "Count the {whom}.",
    "What is the number of {whom}?",
    "{open} the number of {whom}.",
    "In total, how many {whom} are there?",
)
CATEGORY_FILTERS = ("whose {c} is {v}", "with {c} {v}", "where the {c} is {v}", "having {c} {v}")
# Wordings without the column's own name, for the two columns where people talk like that.
SHORT_FILTERS = dict(city="in {v}", country="from {v}")
STRICT: Wordings = {
    ">": ("with {c} above {v}", "whose {c} is more than {v}", "with {c} over {v}", "with {c} greater than {v}"),
    "<": ("with {c} below {v}", "whose {c} is less than {v}", "with {c} under {v}", "with {c} smaller than {v}"),
}
STRICT_TIME: Wordings = {
    ">": ("with {c} after {v}", "whose {c} is later than {v}", "whose {c} is after {v}"),
    "<": ("with {c} before {v}", "whose {c} is earlier than {v}", "whose {c} is before {v}"),
}
INCLUSIVE: Wordings = {
    ">=": (
        "with {c} of at least {v}",
        "whose {c} is at least {v}",
        "with {c} {v} or more",
        "whose {c} is {v} or more",
    ),
    "<=": ("with {c} of at most {v}", "whose {c} is at most {v}", "with {c} {v} or less", "whose {c} is {v} or less"),
}
INCLUSIVE_TIME: Wordings = {
    ">=": ("with {c} {v} or later", "whose {c} is {v} or later", "with {c} {v} or after"),
    "<=": ("with {c} {v} or earlier", "whose {c} is {v} or earlier", "with {c} {v} or before"),
}


@dataclass(frozen=True)
class Draft:
    """A question with its gold SQL and, for a biased type, the wrong SQL that the warm-up set imitates.

    `tie_check` is a query whose first column must hold no value twice, so that a LIMIT cuts at a clear place.
    """

    question: str
    gold: str
    wrong: str | None = None
    tie_check: str | None = None


@dataclass(frozen=True)
class Condition:
    """One filter in words and in SQL."""

    text: str
    sql: str
    column: str


@dataclass(frozen=True)
class QuestionType:
    """A named kind of question; `build` returns None when the drawn parts do not fit together."""

    name: str
    build: Callable[["Scene"], Draft | None]
    biased: bool


QUESTION_TYPES: dict[str, QuestionType] = {}


def question_type(name: str, biased: bool = False) -> Callable[[Callable[["Scene"], Draft | None]], None]:
    """Decorator that files a builder; a biased type's drafts always carry a wrong form."""

    def decorate(build: Callable[["Scene"], Draft | None]) -> None:
        QUESTION_TYPES[name] = QuestionType(name=name, build=build, biased=biased)

    return decorate


def quote(value: Value) -> str:
    """An SQL literal; whole floats lose their `.0`."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"{value:g}" if isinstance(value, float) else str(value)


def spoken(value: Value) -> str:
    """The value as a question writes it: text in quotes, so that a small model sees what is to be copied."""
    if isinstance(value, str):
        return f"'{value}'"
    return quote(value)


def rounded(number: float) -> float | int:
    """The nearest of 1, 1.5, 2, ... 9.5 times a power of ten, as people choose thresholds; whole where it can be."""
    step = 10 ** math.floor(math.log10(abs(number))) / 2 if number != 0 else 1
    near = round(number / step) * step
    return int(near) if near == int(near) else near


def plural(word: str) -> str:
    """English plural of a column word: cities, statuses, years; pages and sold tickets are plural already."""
    if word.endswith("y"):
        return word[:-1] + "ies"
    if word.endswith("us"):
        return word + "es"
    return word if word.endswith("s") else word + "s"


def is_time(column: Column) -> bool:
    return column.kind in ("year", "date")


class Scene:
    """One database to ask about: its declaration, its values, a random generator."""

    def __init__(self, domain: Domain, path: Path, rng: random.Random) -> None:
        self.domain = domain
        self.rng = rng
        self.connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self.values: dict[tuple[str, str], list[Value]] = {}
        for table in domain.tables:
            for column in table.columns:
                self.values[table.name, column.name] = self._read(table=table.name, column=column.name)

    def _read(self, table: str, column: str) -> list[Value]:
        query = f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY id"
        return [row[0] for row in self.connection.execute(query)]

    def close(self) -> None:
        self.connection.close()

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def say(self, templates: tuple[str, ...], **slots: str) -> str:
        """One of the templates, filled; `{open}` is a random opener."""
        return self.rng.choice(templates).format(open=self.rng.choice(OPENERS), **slots)

    def value(self, table: Table, column: Column) -> Value:
        return self.rng.choice(self.values[table.name, column.name])

    def threshold(self, table: Table, column: Column) -> float | int:
        """A year of the column, or a round number near one of its values."""
        value = self.value(table, column)
        assert not isinstance(value, str)
        return int(value) if is_time(column) else rounded(value)

    def table_with(self, *kinds: str, needed: int = 1) -> Table:
        """A random table with at least `needed` complete columns of these kinds."""
        return self.rng.choice([table for table in self.domain.tables if len(self.complete(table, *kinds)) >= needed])

    def complete(self, table: Table, *kinds: str) -> list[Column]:
        """Columns of these kinds that never hold NULL."""
        return [column for column in table.of_kind(*kinds) if column.null_rate == 0]

    def output(self, table: Table, *without: str) -> Column:
        """A column worth showing: often the label, else any that is not in `without`; `id` when none is left."""
        columns = [c for c in table.of_kind("label", "category", "number", "year", "date") if c.name not in without]
        labels = [column for column in columns if column.kind == "label"]
        if len(labels) > 0 and self.chance(0.5):
            return labels[0]
        return self.rng.choice([*columns, *table.of_kind("id")] if len(labels) == 0 else columns)

    def links(self) -> list[tuple[Table, Column, Table]]:
        """Every (child, foreign key, parent)."""
        return [(t, c, self.domain.table(c.target)) for t in self.domain.tables for c in t.of_kind("ref")]

    def category_condition(self, table: Table, *without: str, prefix: str = "") -> Condition | None:
        """`city = 'Paris'` in one of several wordings, or None when the table has no such column."""
        columns = [column for column in table.of_kind("category") if column.name not in without]
        if len(columns) == 0:
            return None
        column = self.rng.choice(columns)
        value = self.value(table, column)
        short = column.name in SHORT_FILTERS and self.chance(0.3)
        text = (SHORT_FILTERS[column.name] if short else self.rng.choice(CATEGORY_FILTERS)).format(
            c=column.phrase, v=spoken(value)
        )
        return Condition(text=text, sql=f"{prefix}{column.name} = {quote(value)}", column=column.name)

    def number_condition(self, table: Table, *without: str, prefix: str = "") -> Condition | None:
        """`salary > 3000` with a threshold that occurs in the column, or None when there is no such column."""
        columns = [column for column in table.of_kind("number", "year") if column.name not in without]
        if len(columns) == 0:
            return None
        column = self.rng.choice(columns)
        value = self.threshold(table, column)
        sign = self.rng.choice("<>")
        wordings = (STRICT_TIME if is_time(column) else STRICT)[sign]
        text = self.rng.choice(wordings).format(c=column.phrase, v=spoken(value))
        return Condition(text=text, sql=f"{prefix}{column.name} {sign} {quote(value)}", column=column.name)

    def condition(self, table: Table, *without: str, prefix: str = "") -> Condition | None:
        """A category condition in most draws, a number condition in the others."""
        makers = [self.category_condition, self.number_condition]
        if self.chance(0.3):
            makers.reverse()
        return makers[0](table, *without, prefix=prefix) or makers[1](table, *without, prefix=prefix)

    def maybe_condition(self, probability: float, table: Table, *without: str, prefix: str = "") -> Condition:
        """A condition in a share of draws, otherwise one without words and SQL."""
        drawn = self.condition(table, *without, prefix=prefix) if self.chance(probability) else None
        return drawn or Condition(text="", sql="", column="")


def where(*conditions: str) -> str:
    """` WHERE a AND b`, or nothing."""
    kept = [condition for condition in conditions if condition != ""]
    return f" WHERE {' AND '.join(kept)}" if len(kept) > 0 else ""


def whom(table: Table, *texts: str) -> str:
    """`employees with city Paris and ...`."""
    kept = [text for text in texts if text != ""]
    return " ".join([table.plural, " and ".join(kept)]).strip()
