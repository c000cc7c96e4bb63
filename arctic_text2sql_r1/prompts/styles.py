# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The styles in which a schema is written for a prompt: one registered function each.

A style gets every table of the database and returns text without a final line break. It sees no question and no gold
query: the values that a question mentions come to it as `Column.mentions`, retrieved from the database. `ddl` and
`omnisql` are SQL that builds the same tables, keys and types again; `compact` and `columns` are names only. Where
tables are read: `tables.py`.
"""

from collections.abc import Callable
from collections.abc import Sequence

from arctic_text2sql_r1.prompts.identifiers import always_quoted
from arctic_text2sql_r1.prompts.identifiers import quote_identifier
from arctic_text2sql_r1.prompts.identifiers import quote_identifiers
from arctic_text2sql_r1.prompts.identifiers import quote_type
from arctic_text2sql_r1.prompts.tables import Column
from arctic_text2sql_r1.prompts.tables import ForeignKey
from arctic_text2sql_r1.prompts.tables import Table
from arctic_text2sql_r1.prompts.tables import Value
from arctic_text2sql_r1.prompts.tables import fits_a_comment
from arctic_text2sql_r1.registry import Registry

SchemaStyle = Callable[[Sequence[Table]], str]
SCHEMA_STYLES: Registry[SchemaStyle] = Registry("schema style")

_EXAMPLE_VALUES = 6  # beside one column, mentioned and sampled together; the limit of the published prompts
_OMNISQL_SAMPLES = 2
_INDENT = "    "


@SCHEMA_STYLES.register("ddl")
def ddl(tables: Sequence[Table]) -> str:
    """CREATE TABLE statements; beside a column its description and a few values as SQL literals."""
    return "\n\n".join(_ddl_table(table) for table in tables)


@SCHEMA_STYLES.register("compact")
def compact(tables: Sequence[Table]) -> str:
    """One line a table, for very small models: `employee: id name salary department_id>department.id`"""
    return "\n".join(_compact_line(table) for table in tables)


@SCHEMA_STYLES.register("columns")
def columns(tables: Sequence[Table]) -> str:
    """A list of columns under each table, then one list of all foreign keys."""
    blocks = [
        "\n".join(
            [f"Table {_backticked(table.name)}:", *(f"  - {_backticked(column.name)}" for column in table.columns)]
        )
        for table in tables
    ]
    keys = [f"  - {line}" for table in tables for key in table.foreign_keys for line in _key_lines(table.name, key)]
    if len(keys) > 0:
        blocks.append("\n".join(["Foreign Keys:", *keys]))
    return "\n\n".join(blocks)


@SCHEMA_STYLES.register("omnisql")
def omnisql(tables: Sequence[Table]) -> str:
    """CREATE TABLE statements as the Arctic-Text2SQL-R1 and OmniSQL models were trained on.

    Keys stand below the columns, and values as a Python list behind "example:". Source: arXiv 2503.02240 and
    2505.20315 with the data preparation published for them; its training mode, which keeps the columns that gold
    uses and drops others at random, is left out on purpose.
    """
    return "\n\n".join(_omnisql_table(table) for table in tables)


def _ddl_table(table: Table) -> str:
    alone = len(table.primary_key) == 1
    lines = [(_ddl_column(column, alone=alone), _ddl_comment(column)) for column in table.columns]
    if len(table.primary_key) > 1:
        lines.append((f"PRIMARY KEY ({quote_identifiers(table.primary_key)})", ""))
    lines.extend((_foreign_key(key), "") for key in table.foreign_keys)
    return _statement(quote_identifier(table.name), lines, gap="  ")


def _ddl_column(column: Column, alone: bool) -> str:
    parts = [quote_identifier(column.name), quote_type(column.type)]
    if column.key_position and alone:
        parts.append("PRIMARY KEY")
    if column.not_null:
        parts.append("NOT NULL")
    return " ".join(part for part in parts if part)


def _ddl_comment(column: Column) -> str:
    # A cut sample is left out: among SQL literals it would read like a value that can be compared with.
    shown = (*column.mentions, *(value for value in column.samples if fits_a_comment(value)))
    literals = dict.fromkeys(_literal(value) for value in shown)
    return _comment(column.description, "e.g.", ", ".join(list(literals)[:_EXAMPLE_VALUES]), joint="; ")


def _literal(value: Value) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def _compact_line(table: Table) -> str:
    targets = {
        column: ">" + ".".join(quote_identifier(part) for part in (key.table, target) if part)
        for key in table.foreign_keys
        for column, target in zip(key.columns, key.targets, strict=True)
    }
    names = " ".join(quote_identifier(column.name) + targets.get(column.name, "") for column in table.columns)
    return f"{quote_identifier(table.name)}: {names}"


def _key_lines(table: str, key: ForeignKey) -> list[str]:
    return [
        f"{_backticked(table)}.{always_quoted(column, '`')} → {_backticked(key.table)}"
        + (f".{always_quoted(target, '`')}" if target else "")
        for column, target in zip(key.columns, key.targets, strict=True)
    ]


def _omnisql_table(table: Table) -> str:
    lines = [
        (
            " ".join(part for part in (_backticked(column.name), quote_type(column.type)) if part),
            _omnisql_comment(column),
        )
        for column in table.columns
    ]
    if len(table.primary_key) > 0:
        lines.append((f"PRIMARY KEY ({quote_identifiers(table.primary_key, '`')})", ""))
    for key in table.foreign_keys:
        name = "_".join(["fk", table.name, *key.columns]).lower().replace(" ", "_")
        lines.append((f"CONSTRAINT {_backticked(name)} {_foreign_key(key, '`')}", ""))
    return _statement(_backticked(table.name), lines, gap=" ")


def _omnisql_comment(column: Column) -> str:
    # A description that only repeats the name says nothing.
    squeezed = (text.lower().replace(" ", "").replace("_", "") for text in (column.description, column.name))
    description = "" if len(set(squeezed)) == 1 else column.description
    values = list(dict.fromkeys((*column.mentions, *column.samples[:_OMNISQL_SAMPLES])))[:_EXAMPLE_VALUES]
    return _comment(description, "example:", repr(values) if len(values) > 0 else "", joint=", ")


def _statement(name: str, lines: Sequence[tuple[str, str]], gap: str) -> str:
    """CREATE TABLE of (definition, comment) lines; the comma goes between the two."""
    last = len(lines) - 1
    body = "\n".join(
        f"{_INDENT}{text}{',' if place < last else ''}{gap + comment if comment else ''}"
        for place, (text, comment) in enumerate(lines)
    )
    return f"CREATE TABLE {name} (\n{body}\n);"


def _comment(description: str, introduction: str, values: str, joint: str) -> str:
    """`-- description; e.g. values`, without what is empty."""
    parts = [part for part in (description, f"{introduction} {values}" if values else "") if part]
    return f"-- {joint.join(parts)}" if len(parts) > 0 else ""


def _foreign_key(key: ForeignKey, mark: str = '"') -> str:
    targets = f" ({quote_identifiers(key.targets, mark)})" if all(key.targets) else ""
    return (
        f"FOREIGN KEY ({quote_identifiers(key.columns, mark)}) REFERENCES {quote_identifier(key.table, mark)}{targets}"
    )


def _backticked(name: str) -> str:
    return quote_identifier(name, "`")
