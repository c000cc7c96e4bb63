# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Writes a workload for `reward_throughput.py`: SQLite databases and completions as one training step samples them.

    python benchmarks/reward_workload.py DIR [--prompts N] [--samples N] [--megabytes MB ...] [--seed N]

Writes DIR/databases/<db>/<db>.sqlite and DIR/workload.jsonl, one line per completion with `prompt`, `sample`, `db`,
`gold`, `pred` (its SQL, perhaps empty), `kind` and `completion`. Completions of one prompt repeat one another, as
sampled SQL does, with differences in case, blanks, comments and semicolons. Kinds: right (gold or an equivalent),
wrong, slow, big (many rows), error, endless. One seed always gives the same rows and statements.
"""

import argparse
import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path

_BYTES_PER_EVENT = 85
_KIND_WEIGHTS = dict(answer=82.5, error=10.0, slow=4.0, big=1.5, endless=2.0)
_PLACES = ("Bergen", "Évora", "Graz", "Hanoi", "Izmir", "Łódź", "Mombasa", "Nara", "Oaxaca", "Tartu", None)
_REMARKS = ("", "none", "called back, no answer", "see the file", "moved by a day", "it's been paid", "zu prüfen")


@dataclass(frozen=True)
class Schema:
    """The names of one database: things, each with many events. `groups` and `states` list values."""

    things: str
    thing: str
    group: str
    groups: str
    events: str
    day: str
    amount: str
    states: str


SCHEMAS = dict(
    library=Schema("members", "member", "plan", "adult child guest", "loans", "lent_on", "fine", "out back"),
    energy=Schema("meters", "meter", "tariff", "day night flat", "readings", "read_on", "kwh", "ok estimate"),
    parking=Schema("garages", "garage", "owner", "city private", "tickets", "issued", "fee", "paid open void"),
    radio=Schema("stations", "station", "band", "am fm web", "plays", "aired", "royalty", "live tape rerun"),
    bakery=Schema("shops", "shop", "size", "small large", "sales", "sold_on", "price", "cash card voucher"),
)

# Gold, its equivalents, and wrong statements that run. {state}, {value}, {year}, {few} differ by prompt.
QUESTIONS = (
    (
        "SELECT COUNT(*) FROM {events} WHERE state = '{state}'",
        ("SELECT SUM(state = '{state}') FROM {events}", "SELECT COUNT(id) FROM {events} WHERE state IN ('{state}')"),
        ("SELECT COUNT(*) FROM {events}", "SELECT COUNT({amount}) FROM {events} WHERE state = '{state}'"),
    ),
    (
        "SELECT {group}, COUNT(*) FROM {things} GROUP BY {group} ORDER BY {group}",
        ("SELECT t.{group}, COUNT(t.id) AS n FROM {things} t GROUP BY 1 ORDER BY 1 ASC",),
        ("SELECT {group} FROM {things} ORDER BY 1", "SELECT COUNT(*), {group} FROM {things} GROUP BY 2"),
    ),
    (
        "SELECT t.name, SUM(e.{amount}) FROM {things} AS t JOIN {events} AS e ON e.{thing}_id = t.id "
        "WHERE t.{group} = '{value}' GROUP BY t.id ORDER BY SUM(e.{amount}) DESC, t.name LIMIT {few}",
        (
            "WITH s AS (SELECT {thing}_id AS k, SUM({amount}) AS v FROM {events} GROUP BY 1) SELECT t.name, s.v "
            "FROM s JOIN {things} t ON t.id = s.k WHERE t.{group} = '{value}' ORDER BY s.v DESC, 1 LIMIT {few}",
        ),
        (
            "SELECT t.name, MAX(e.{amount}) FROM {things} t JOIN {events} e ON e.{thing}_id = t.id GROUP BY t.id "
            "ORDER BY 2 DESC LIMIT {few}",
            "SELECT name FROM {things} WHERE {group} = '{value}' LIMIT {few}",
        ),
    ),
    (
        "SELECT t.name, e.{day}, e.{amount} FROM {things} t JOIN {events} e ON t.id = e.{thing}_id "
        "WHERE e.state = '{state}' AND strftime('%Y', e.{day}) = '{year}'",
        (
            "SELECT t.name, e.{day}, e.{amount} FROM {events} e JOIN {things} t ON t.id = e.{thing}_id "
            "WHERE e.{day} LIKE '{year}-%' AND e.state = '{state}'",
        ),
        (
            "SELECT t.name, e.{amount}, e.{day} FROM {things} t JOIN {events} e ON t.id = e.{thing}_id "
            "WHERE e.state = '{state}' AND e.{day} LIKE '{year}-%'",
            "SELECT t.name, e.{day}, e.{amount} FROM {things} t JOIN {events} e ON t.id = e.{thing}_id "
            "WHERE e.{day} LIKE '{year}-%'",
        ),
    ),
    (
        "SELECT name FROM {things} WHERE id NOT IN (SELECT {thing}_id FROM {events} WHERE state = '{state}')",
        (
            "SELECT t.name FROM {things} t LEFT JOIN (SELECT DISTINCT {thing}_id AS k FROM {events} "
            "WHERE state = '{state}') ON k = t.id WHERE k IS NULL",
        ),
        ("SELECT name FROM {things} WHERE id IN (SELECT {thing}_id FROM {events} WHERE state = '{state}')",),
    ),
    (
        "SELECT DISTINCT place FROM {things} WHERE place IS NOT NULL AND {group} = '{value}'",
        ("SELECT place FROM {things} WHERE {group} = '{value}' GROUP BY place HAVING place NOT NULL",),
        ("SELECT place FROM {things} WHERE {group} = '{value}'", "SELECT DISTINCT place FROM {things}"),
    ),
    (
        "SELECT substr({day}, 1, 7) AS month, AVG({amount}) FROM {events} GROUP BY month ORDER BY month",
        ("SELECT strftime('%Y-%m', {day}), SUM({amount}) / COUNT({amount}) FROM {events} GROUP BY 1 ORDER BY 1",),
        ("SELECT substr({day}, 1, 4), AVG({amount}) FROM {events} GROUP BY 1 ORDER BY 1",),
    ),
)
OTHERS = dict(
    error=(
        "",
        "SELECT titel FROM {things}",
        "SELECT name FORM {things}",
        "SELECT MONTH({day}) FROM {events}",
        "SELECT name FROM {thing}_list",
        "SELECT COUNT(* FROM {events}",
    ),
    slow=(
        "SELECT t.name, (SELECT COUNT(*) FROM {events} e WHERE e.{thing}_id + 0 = t.id) FROM {things} t "
        "WHERE t.id <= {few} * 4",
        "SELECT COUNT(*) FROM {events} a JOIN {things} t ON t.name < a.remark WHERE a.id < {few} * 300",
    ),
    big=("SELECT * FROM {events}", "SELECT id, {day}, remark FROM {events} WHERE {amount} > {few}"),
    endless=(
        "WITH RECURSIVE n(i) AS (VALUES ({few}) UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n",
        "SELECT COUNT(*) FROM {events} a, {events} b, {events} c WHERE a.{amount} + b.{amount} < c.{amount} - {few}",
    ),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the databases and the rows, and print how many rows there are of each kind."""
    parser = argparse.ArgumentParser(description="Write databases and completions to score.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--samples", type=int, default=16, help="completions per prompt")
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1, 4, 8, 16], help="one database of each size")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    databases = []
    for name, schema in SCHEMAS.items():
        for megabytes in options.megabytes:
            database = f"{name}_{megabytes:g}mb"
            path = options.folder / "databases" / database / f"{database}.sqlite"
            build_database(path, schema, megabytes, random.Random(f"{options.seed}/{database}"))
            databases.append((database, schema))
    kinds: Counter[str] = Counter()
    with (options.folder / "workload.jsonl").open("w", encoding="utf-8") as lines:
        for row in sample_rows(databases, options.prompts, options.samples, random.Random(options.seed)):
            kinds[str(row["kind"])] += 1
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(json.dumps(dict(rows=sum(kinds.values()), databases=len(databases), kinds=kinds)))


def build_database(path: Path, schema: Schema, megabytes: float, rng: random.Random) -> None:
    """Write one database of about `megabytes`; a file that is there already is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    events = int(megabytes * 2**20 / _BYTES_PER_EVENT)
    things = max(50, events // 50)
    connection = sqlite3.connect(path)
    connection.execute(
        f"CREATE TABLE {schema.things} (id INTEGER PRIMARY KEY, name TEXT, {schema.group} TEXT, place TEXT)"
    )
    connection.execute(
        f"CREATE TABLE {schema.events} (id INTEGER PRIMARY KEY, {schema.thing}_id INTEGER REFERENCES {schema.things}, "
        f"{schema.day} TEXT, {schema.amount} REAL, state TEXT, remark TEXT)"
    )
    thing_rows = (
        (i, f"{_word(rng, 4).title()} {_word(rng, 7).title()}", rng.choice(schema.groups.split()), rng.choice(_PLACES))
        for i in range(1, things + 1)
    )
    event_rows = (
        (i, rng.randint(1, things), _day(rng), _amount(rng), rng.choice(schema.states.split()), _remark(rng))
        for i in range(1, events + 1)
    )
    connection.executemany(f"INSERT INTO {schema.things} VALUES (?, ?, ?, ?)", thing_rows)
    connection.executemany(f"INSERT INTO {schema.events} VALUES (?, ?, ?, ?, ?, ?)", event_rows)
    connection.commit()
    connection.close()


def sample_rows(
    databases: Sequence[tuple[str, Schema]], prompts: int, samples: int, rng: random.Random
) -> Iterator[dict[str, object]]:
    """The rows of the workload: one question per prompt, answered more or less well by its completions."""
    for prompt in range(prompts):
        database, schema = databases[prompt % len(databases)]
        names = _names(schema, rng)
        gold, equivalents, wrong = rng.choice(QUESTIONS)
        skill = rng.random()
        for sample in range(samples):
            kind = rng.choices(list(_KIND_WEIGHTS), list(_KIND_WEIGHTS.values()))[0]
            if kind == "answer":
                kind = "right" if rng.random() < skill else "wrong"
            # Most right completions say what gold says.
            choices = dict(OTHERS, right=(gold, gold, *equivalents), wrong=wrong)[kind]
            sql = _written(rng.choice(choices).format(**names), rng)
            yield dict(
                prompt=prompt,
                sample=sample,
                db=database,
                gold=gold.format(**names),
                pred=sql,
                kind=kind,
                completion=f"<think>{_word(rng, 30)}</think>\n<answer>\n```sql\n{sql}\n```\n</answer>",
            )


def _names(schema: Schema, rng: random.Random) -> dict[str, object]:
    """What the placeholders of one prompt's statements stand for."""
    return dict(
        asdict(schema),
        state=rng.choice(schema.states.split()),
        value=rng.choice(schema.groups.split()),
        year=rng.randint(2018, 2024),
        few=rng.randint(3, 15),
    )


def _written(sql: str, rng: random.Random) -> str:
    """`sql` as one completion happens to write it, with the same meaning."""
    style = rng.randrange(6)
    if sql == "" or style < 2:
        return sql
    if style == 2:
        return f"{sql};"
    if style == 3:
        return f"-- read the tables\n{sql}"
    if style == 4:
        return sql.replace(" FROM ", "\n  FROM ").replace(" WHERE ", "\n WHERE ") + ";"
    return sql.replace("SELECT ", "select ").replace(" FROM ", " from ").replace(" WHERE ", " where ")


def _word(rng: random.Random, length: int) -> str:
    return "".join(rng.choices("aeiou lmnrst", k=length)).strip() or "a"


def _day(rng: random.Random) -> str:
    return f"{rng.randint(2018, 2024)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def _amount(rng: random.Random) -> float | None:
    return round(rng.uniform(0.5, 800.0), 2) if rng.random() < 0.98 else None


def _remark(rng: random.Random) -> str:
    return f"{rng.choice(_REMARKS)} {_word(rng, rng.randint(5, 45))}"


if __name__ == "__main__":
    main()
