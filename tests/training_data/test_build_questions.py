# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Our own questions: rebuilt as committed, runnable, disjoint, balanced, and biased only in the warm-up set."""

import json
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

Row = dict[str, str | bool]
Sets = dict[str, list[Row]]
Connections = dict[str, sqlite3.Connection]


def golds(rows: list[Row]) -> set[tuple[object, object]]:
    return {(row["db_id"], row["gold_sql"]) for row in rows}


@pytest.mark.parametrize("name", [pytest.param("rl", marks=pytest.mark.slow), "dev", "dev_unseen"])
def test_a_rebuild_gives_the_committed_bytes(name: str, tmp_path: Path, data_folder: Path, rebuilt: Sets) -> None:
    from build_questions import write_rows

    write_rows(rebuilt[name], tmp_path / "rows.json")
    assert (tmp_path / "rows.json").read_bytes() == (data_folder / f"{name}.json").read_bytes()


def test_a_smaller_warm_up_set_leaves_the_other_sets_alone(data_folder: Path, committed: Sets) -> None:
    from build_questions import build_sets

    sets = build_sets(data_folder / "databases", seed=0, sizes=dict(dev_unseen=200, dev=480, rl=1600, warmup=10))
    assert {name: sets[name] for name in committed} == committed


def test_sets_have_the_promised_sizes(rebuilt: Sets) -> None:
    assert {name: len(rows) for name, rows in rebuilt.items()} == dict(dev_unseen=200, dev=480, rl=1600, warmup=16000)


def test_no_question_occurs_twice_anywhere(rebuilt: Sets) -> None:
    questions = Counter(str(row["question"]).casefold() for rows in rebuilt.values() for row in rows)
    assert [question for question, count in questions.items() if count > 1] == []


def test_no_dev_gold_is_seen_in_training_even_as_a_wrong_form(rebuilt: Sets) -> None:
    seen = golds(rebuilt["rl"]) | golds(rebuilt["warmup"])
    assert golds(rebuilt["dev"]) & seen == set()
    assert golds(rebuilt["dev_unseen"]) & seen == set()


def test_the_unseen_database_is_in_its_own_set_only(rebuilt: Sets) -> None:
    databases = {name: {row["db_id"] for row in rows} for name, rows in rebuilt.items()}
    assert databases["dev_unseen"] == {"cinema"}
    assert all("cinema" not in databases[name] and len(databases[name]) == 8 for name in ("dev", "rl", "warmup"))


def test_every_gold_returns_rows_within_the_limit(committed: Sets, connections: Connections) -> None:
    for row in (row for rows in committed.values() for row in rows):
        found = connections[str(row["db_id"])].execute(str(row["gold_sql"])).fetchall()
        assert 1 <= len(found) <= 199, row


def test_every_warm_up_statement_runs(rebuilt: Sets, connections: Connections) -> None:
    ran = [connections[str(row["db_id"])].execute(str(row["gold_sql"])).description for row in rebuilt["warmup"]]
    assert len(ran) == 16_000
    assert None not in ran  # each has a result set


def test_types_and_databases_are_spread_evenly(committed: Sets) -> None:
    for rows in committed.values():
        types, databases = Counter(row["type"] for row in rows), Counter(row["db_id"] for row in rows)
        assert len(types) == 27
        assert max(types.values()) - min(types.values()) <= 1
        assert max(databases.values()) - min(databases.values()) <= 2


def test_biased_types_make_a_little_over_half_of_dev(committed: Sets) -> None:
    from build_questions import QUESTION_TYPES

    biased = sum(QUESTION_TYPES[str(row["type"])].biased for row in committed["dev"])
    assert 0.53 <= biased / len(committed["dev"]) <= 0.58


def test_only_warm_up_rows_of_biased_types_are_wrong_and_six_in_ten_of_them(rebuilt: Sets) -> None:
    from build_questions import QUESTION_TYPES

    rows = [row for row in rebuilt["warmup"] if QUESTION_TYPES[str(row["type"])].biased]
    # 0.6 of about 3,330 rows; one standard deviation is 0.0085.
    assert 0.57 <= sum(bool(row["biased"]) for row in rows) / len(rows) <= 0.63
    assert not any(row["biased"] for row in rebuilt["warmup"] if not QUESTION_TYPES[str(row["type"])].biased)
    assert not any("biased" in row for name in ("rl", "dev", "dev_unseen") for row in rebuilt[name])


def test_every_biased_type_draws_a_wrong_form_with_another_result(data_folder: Path) -> None:
    from build_questions import QUESTION_TYPES
    from build_questions import Taken
    from build_questions import draw
    from build_questions import open_scenes
    from build_questions import run
    from domains import ALL_DOMAINS

    for scene in open_scenes(data_folder / "databases", domains=ALL_DOMAINS, seed="test"):
        for kind in QUESTION_TYPES.values():
            draft = draw(kind, scene, taken=Taken(), is_dev=False)
            assert draft is not None and (draft.wrong is not None) == kind.biased, kind.name
            if draft.wrong is not None:
                assert run(scene.connection, draft.gold) != run(scene.connection, draft.wrong), draft
        scene.close()


def accepts(gold: str, wrong: str | None = None, tie_check: str | None = None) -> bool:
    from build_questions import accept
    from question_parts import Draft

    connection = sqlite3.connect(":memory:")
    connection.executescript("CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1), (2), (2), (NULL);")
    accepted = accept(Draft(question="?", gold=gold, wrong=wrong, tie_check=tie_check), connection)
    connection.close()
    return accepted


@pytest.mark.parametrize(
    "refused",
    [
        dict(gold="SELECT x FROM t WHERE x > 5"),
        dict(gold="SELECT COUNT(*) FROM t WHERE x > 5"),
        dict(gold="SELECT SUM(x) FROM t WHERE x > 5"),
        dict(gold="SELECT x FROM t", wrong="SELECT x FROM t ORDER BY x DESC"),
        dict(gold="SELECT x FROM t ORDER BY x DESC LIMIT 1", tie_check="SELECT x FROM t ORDER BY x DESC LIMIT 2"),
    ],
    ids=["no rows", "only zero", "only null", "wrong form is right", "tie at the cut"],
)
def test_guard_refuses(refused: dict[str, str]) -> None:
    assert not accepts(**refused)


def test_guard_accepts_a_duplicate_that_the_wrong_form_keeps() -> None:
    assert accepts(gold="SELECT DISTINCT x FROM t", wrong="SELECT x FROM t")


@pytest.mark.parametrize(
    ("sql", "level"),
    [
        ("SELECT name FROM t WHERE city = 'Rock AND Roll, OR ORDER BY'", "easy"),
        ("SELECT city, COUNT(*) FROM t GROUP BY city", "medium"),
        ("SELECT name FROM t WHERE date BETWEEN '2021-01-01' AND date('2021-01-01', '+7 days')", "hard"),
        ("SELECT a FROM t WHERE x > (SELECT AVG(x) FROM t) AND b = 1", "extra"),
        ("SELECT a, RANK() OVER (ORDER BY x) FROM t", "extra"),
    ],
)
def test_difficulty_counts_parts_of_the_statement(sql: str, level: str) -> None:
    from build_questions import difficulty

    assert difficulty(sql) == level


def test_plurals_and_literals_are_written_correctly() -> None:
    from question_parts import plural
    from question_parts import quote

    words = ("city", "status", "pages", "sold tickets", "born year")
    assert [plural(word) for word in words] == ["cities", "statuses", "pages", "sold tickets", "born years"]
    assert [quote("L'Aquila"), quote(24.0), quote(24.5), quote(7)] == ["'L''Aquila'", "24", "24.5", "7"]


def test_readme_states_the_true_counts(data_folder: Path, rebuilt: Sets) -> None:
    stated = {}
    for line in (data_folder / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip(" `") for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[1].isdigit():
            stated[cells[0]] = [int(cell) for cell in cells[1:]]
    wrong = [row for row in rebuilt["warmup"] if row["biased"]]
    columns = [Counter(row["type"] for row in rows) for rows in (rebuilt["warmup"], wrong)]
    columns += [Counter(row["type"] for row in rebuilt[name]) for name in ("rl", "dev", "dev_unseen")]
    assert stated == {name: [column[name] for column in columns] for name in columns[0]}


def test_main_writes_the_sets_and_the_warm_up_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import build_questions

    warmup = tmp_path / "warmup.json"
    arguments = ["build_questions.py", "--out", str(tmp_path), "--warmup-out", str(warmup), "--warmup-rows", "30"]
    monkeypatch.setattr("sys.argv", arguments)
    build_questions.main()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "dev.json",
        "dev_unseen.json",
        "rl.json",
        "warmup.json",
    ]
    assert len(json.loads(warmup.read_text(encoding="utf-8"))) == 30


def test_asking_for_more_rows_than_the_grammar_has_is_an_error(data_folder: Path) -> None:
    from build_questions import Taken
    from build_questions import draw_set
    from build_questions import right_row

    with pytest.raises(ValueError, match="gave 0 of 1 rows"):
        draw_set([], 1, taken=Taken(), to_row=right_row, is_dev=False)
