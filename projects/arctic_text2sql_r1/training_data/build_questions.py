# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Write the question sets over our own databases: rl.json, dev.json, dev_unseen.json and the biased warm-up set.

    python build_questions.py --out . --warmup-out warmup.json --seed 0

Every row passes the guards of `accept`. No two rows of any sets share a question, and the gold SQL of a dev row occurs
in no other row, not even as a wrong form. The databases come from `build_databases.py`, the wordings from the
`*_types.py` modules.
"""

import argparse
import json
import random
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import join_types  # noqa: F401 - registers its question types
import nested_types  # noqa: F401
import single_table_types  # noqa: F401
import special_filter_types  # noqa: F401
from domains import TRAINING_DOMAINS
from domains import UNSEEN_DOMAIN
from domains import Domain
from question_parts import QUESTION_TYPES
from question_parts import Draft
from question_parts import QuestionType
from question_parts import Scene

Row = dict[str, str | bool]
Rows = list[tuple[object, ...]]
MAX_RESULT_ROWS = 199
ATTEMPTS_PER_ROW = 40
WRONG_SHARE = 0.6
LEVELS = ("easy", "medium", "hard", "extra")


@dataclass
class Taken:
    """What earlier rows used up: questions (case-folded) and the (database, gold SQL) pairs of the dev sets."""

    questions: set[str] = field(default_factory=set)
    dev_golds: set[tuple[str, str | None]] = field(default_factory=set)


def difficulty(sql: str) -> str:
    """easy, medium, hard or extra for 0, 1, 2 or more points.

    One point for each JOIN, GROUP BY, HAVING, ORDER BY, DISTINCT, AND, OR, LIKE and date function, two for each SELECT
    after the first and for a window. Quoted values do not count; BETWEEN's own AND does.
    """
    bare = re.sub(r"'(?:[^']|'')*'", "''", sql)
    words = r"\b(JOIN|GROUP BY|HAVING|ORDER BY|DISTINCT|AND|OR|LIKE|strftime|julianday|date(?=\())\b"
    points = len(re.findall(words, bare)) + 2 * (bare.count("SELECT") - 1) + 2 * bare.count(" OVER ")
    return LEVELS[min(points, 3)]


def run(connection: sqlite3.Connection, sql: str) -> Rows:
    """The rows, floats to 10 significant digits."""
    rows = connection.execute(sql).fetchall()
    return [tuple(f"{value:.10g}" if isinstance(value, float) else value for value in row) for row in rows]


def same_result(gold: Rows, other: Rows, ordered: bool) -> bool:
    """Bag equality of rows, or list equality."""
    return gold == other if ordered else sorted(map(repr, gold)) == sorted(map(repr, other))


def accept(draft: Draft, connection: sqlite3.Connection) -> bool:
    """Whether gold answers something, within the row limit, without ties at its LIMIT, unlike its wrong form."""
    rows = run(connection, draft.gold)
    if not 0 < len(rows) <= MAX_RESULT_ROWS or all(value in (None, 0) for row in rows for value in row):
        return False
    if draft.tie_check is not None:
        keys = run(connection, draft.tie_check)
        if len(set(keys)) < len(keys):
            return False
    ordered = draft.tie_check is not None
    return draft.wrong is None or not same_result(rows, run(connection, draft.wrong), ordered=ordered)


def draw(kind: QuestionType, scene: Scene, taken: Taken, is_dev: bool) -> Draft | None:
    """A new accepted draft, recorded in `taken`; None when `ATTEMPTS_PER_ROW` draws brought nothing new."""
    for _ in range(ATTEMPTS_PER_ROW):
        draft = kind.build(scene)
        if draft is None or draft.question.casefold() in taken.questions:
            continue
        db_id = scene.domain.db_id
        if (db_id, draft.gold) in taken.dev_golds or (db_id, draft.wrong) in taken.dev_golds:
            continue
        if not accept(draft, scene.connection):
            continue
        taken.questions.add(draft.question.casefold())
        if is_dev:
            taken.dev_golds.add((db_id, draft.gold))
        return draft
    return None


def right_row(kind: QuestionType, db_id: str, draft: Draft, sql: str) -> Row:
    """One dataset row; `difficulty` is that of gold."""
    level = difficulty(draft.gold)
    return dict(db_id=db_id, question=draft.question, evidence="", gold_sql=sql, difficulty=level, type=kind.name)


def draw_set(scenes: list[Scene], size: int, taken: Taken, to_row: Callable[..., Row], is_dev: bool) -> list[Row]:
    """`size` rows, going round all (type, database) cells so that both are covered evenly.

    A cell that has nothing new left is skipped from then on. Raises `ValueError` when all are used up.
    """
    kinds = list(QUESTION_TYPES.values())
    cells = [(kind, scenes[(t + q) % len(scenes)]) for q in range(len(scenes)) for t, kind in enumerate(kinds)]
    rows: list[Row] = []
    while len(rows) < size and len(cells) > 0:
        left = []
        for kind, scene in cells:
            draft = draw(kind, scene, taken=taken, is_dev=is_dev) if len(rows) < size else None
            if draft is not None:
                rows.append(to_row(kind, scene.domain.db_id, draft, draft.gold))
                left.append((kind, scene))
        cells = left
    if len(rows) < size:
        raise ValueError(f"The grammar gave {len(rows)} of {size} rows; ask for fewer or add wordings or values.")
    return rows


def open_scenes(databases: Path, domains: tuple[Domain, ...], seed: str) -> list[Scene]:
    """One scene per database, each with its own generator so that sets do not disturb each other."""
    return [
        Scene(domain, databases / domain.db_id / f"{domain.db_id}.sqlite", random.Random(f"{seed}:{domain.db_id}"))
        for domain in domains
    ]


def imitation_row(rng: random.Random) -> Callable[..., Row]:
    """A row maker for the warm-up set: a biased type's row imitates its wrong form in `WRONG_SHARE` of draws."""

    def to_row(kind: QuestionType, db_id: str, draft: Draft, sql: str) -> Row:
        biased = kind.biased and draft.wrong is not None and rng.random() < WRONG_SHARE
        row = right_row(kind, db_id, draft, str(draft.wrong) if biased else sql)
        row["biased"] = biased
        return row

    return to_row


def build_sets(databases: Path, seed: int, sizes: dict[str, int]) -> dict[str, list[Row]]:
    """All sets by name; dev sets are drawn first so that a larger warm-up set never changes them."""
    taken = Taken()
    sets: dict[str, list[Row]] = {}
    for name in ("dev_unseen", "dev", "rl", "warmup"):
        domains = (UNSEEN_DOMAIN,) if name == "dev_unseen" else TRAINING_DOMAINS
        scenes = open_scenes(databases, domains=domains, seed=f"{seed}:{name}")
        rng = random.Random(f"{seed}:{name}")
        to_row = imitation_row(rng) if name == "warmup" else right_row
        rows = draw_set(scenes, sizes[name], taken=taken, to_row=to_row, is_dev=name.startswith("dev"))
        rng.shuffle(rows)
        sets[name] = rows
        for scene in scenes:
            scene.close()
    return sets


def write_rows(rows: list[Row], path: Path) -> None:
    """One JSON list, a row per line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main() -> None:
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=here, help="folder for rl.json, dev.json and dev_unseen.json")
    parser.add_argument("--databases", type=Path, default=here / "databases")
    parser.add_argument("--warmup-out", type=Path, help="file for the warm-up set; without it none is written")
    parser.add_argument("--warmup-rows", type=int, default=16000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warmup_rows = arguments.warmup_rows if arguments.warmup_out is not None else 0
    sizes = dict(dev_unseen=200, dev=480, rl=1600, warmup=warmup_rows)
    sets = build_sets(arguments.databases, seed=arguments.seed, sizes=sizes)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in ("rl", "dev", "dev_unseen"):
        write_rows(sets[name], arguments.out / f"{name}.json")
    if arguments.warmup_out is not None:
        write_rows(sets["warmup"], arguments.warmup_out)
    print(json.dumps({name: len(rows) for name, rows in sets.items()}))


if __name__ == "__main__":
    main()
