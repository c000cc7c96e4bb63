# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`text2sql-r1 ask` as users call it, with a scripted model: what it shows, asks, counts and refuses."""

import hashlib
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.asking.conftest import Ask
from tests.asking.conftest import says

pytestmark = pytest.mark.slow

NAMES = says("SELECT name, age FROM singer ORDER BY singer_id LIMIT 2", thought="the singers")
ENDLESS_SQL = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"


def test_thought_query_and_rows_go_to_stdout_and_nothing_else(ask: Ask) -> None:
    shown = ask("Who sings?", script=[NAMES])
    assert shown.code == 0
    assert shown.out.splitlines() == [
        "the singers",
        "",
        "SELECT name, age FROM singer ORDER BY singer_id LIMIT 2",
        "",
        "| name | age |",
        "| --- | --- |",
        "| Zoë | 52 |",
        "| John O'Nizinik | 43 |",
        "2 rows",
    ]
    assert "template arctic: the model does not say how it was trained" in shown.err


def test_json_holds_everything_as_one_object(ask: Ask, voice: Path, concert_db: Path) -> None:
    found = ask("Who sings?", "--json", script=[NAMES]).json
    assert found.pop("seconds") >= 0
    assert found.pop("prompt_tokens") > 1000  # one for each character of the schema
    assert found == dict(
        question="Who sings?",
        db=str(concert_db),
        model=str(voice),
        template="arctic",
        sql="SELECT name, age FROM singer ORDER BY singer_id LIMIT 2",
        status="ok",
        error=None,
        columns=["name", "age"],
        rows=[["Zoë", 52], ["John O'Nizinik", 43]],
        row_count=2,
        truncated=False,
        reasoning="the singers",
        completion=NAMES,
        completion_tokens=len(NAMES) + 1,
        shortened="",
        votes=None,
    )


VALUES = """SELECT NULL AS n, 1.5 AS r, -9e999 AS inf, x'00ff' AS b, CAST(x'63e9' AS TEXT) AS bad,
    'a' || char(10, 27) || '[2J' AS esc, replace(hex(zeroblob(6000)), '0', 'x') AS long, 9007199254740993 AS big"""


def test_values_that_json_lacks_have_a_form_of_their_own(ask: Ask) -> None:
    shown = ask("?", "--json", script=[says(VALUES)])
    assert shown.json["rows"] == [
        [
            None,
            1.5,
            {"real": "-Infinity"},
            {"blob": "00ff", "bytes": 2},
            "c\ufffd",
            "a\n\x1b[2J",
            {"text": "x" * 10_000, "characters": 12_000},
            9007199254740993,
        ]
    ]
    assert shown.out.isascii() and "\x1b" not in shown.out
    json.loads(shown.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_data_cannot_steer_the_terminal_or_add_lines_columns_and_markup(ask: Ask) -> None:
    sql = "SELECT 'x' || char(27) || ']0;t' || char(7, 10) || '|[red]y' AS \"a\x1b[1m\nb|[bold]\", 3 AS c"
    shown = ask("?", script=[says(sql, thought="\x1b[2J[blink]thought")])
    assert "\x1b" not in shown.out and "\x07" not in shown.out
    assert "\\x1b[2J[blink]thought" in shown.out
    assert shown.out.splitlines()[-4:-1] == [
        "| a\\x1b[1m\\nb\\|[bold] | c |",
        "| --- | --- |",
        "| x\\x1b]0;t\\x07\\n\\|[red]y | 3 |",
    ]


def test_rows_beyond_the_limit_are_counted_and_not_shown(ask: Ask) -> None:
    found = ask("?", "--json", "--max-rows", "2", script=[says("SELECT name FROM singer")]).json
    assert (len(found["rows"]), found["row_count"], found["truncated"]) == (2, 5, True)
    assert ask("?", "--max-rows", "2", script=[says("SELECT name FROM singer")]).out.endswith("first 2 of 5 rows\n")


def test_a_result_without_rows_is_a_result(ask: Ask) -> None:
    shown = ask("?", script=[says("SELECT name FROM singer WHERE 0")])
    assert (shown.code, shown.out.splitlines()[-3:]) == (0, ["| name |", "| --- |", "0 rows"])


def test_rows_too_large_for_one_message_arrive_in_part(ask: Ask) -> None:
    # four rows of 200 texts of 9,000 characters, each of six bytes when sent: 43 MB, of which a message takes 16
    ten = ", ".join(f"v AS {letter}" for letter in "abcdefghij")
    twenty = ", ".join(f"w AS w{n}" for n in range(20))
    sql = f"WITH one AS (SELECT printf('%.*c', 9000, 'ü') AS v), w AS (SELECT {ten} FROM one) SELECT * FROM {twenty}"
    found = ask("?", "--json", script=[says(f"{sql}, (SELECT 1 FROM singer LIMIT 4)")]).json
    assert (found["status"], found["row_count"], found["truncated"], len(found["columns"])) == ("ok", 4, True, 201)
    assert (found["rows"][0][0], found["rows"][0][-2]) == ("ü" * 9000, dict(text="ü" * 80, characters=9000))


WRITES = [
    ("DROP TABLE singer", "denied"),
    ("DELETE FROM singer", "denied"),
    ("INSERT INTO singer VALUES (9, 'x', 'x', 1, 1) RETURNING name", "denied"),
    ("WITH x AS (SELECT 1) UPDATE singer SET age = 1 RETURNING age", "denied"),
    ("ATTACH 'other.db' AS other", "denied"),
    ("VACUUM INTO 'copy.db'", "denied"),
    ("PRAGMA user_version = 7", "denied"),
    ("SELECT * FROM pragma_journal_mode('wal')", "denied"),
    ("SELECT load_extension('x')", "denied"),
    ("SELECT 1; DROP TABLE singer", "denied"),
    (ENDLESS_SQL, "timeout"),
    ("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c", "limit"),
    ("SELECT zeroblob(1000000000)", "limit"),
    ("", "no_sql"),
    ("SELECT nme FROM singer", "schema_error"),
    ("SELEC name FROM singer", "syntax_error"),
]


@pytest.mark.parametrize(("sql", "status"), WRITES)
def test_what_may_not_run_is_refused_and_the_database_stays_as_it_is(
    ask: Ask, concert_db: Path, sql: str, status: str
) -> None:
    before = hashlib.sha256(concert_db.read_bytes()).hexdigest()
    started = time.monotonic()
    shown = ask("?", "--json", "--timeout-s", "1", script=[says(sql)])
    assert time.monotonic() - started < 10
    assert (shown.code, shown.json["status"], shown.json["rows"]) == (1, status, [])
    assert hashlib.sha256(concert_db.read_bytes()).hexdigest() == before
    assert [path.name for path in concert_db.parent.iterdir()] == [concert_db.name]


@pytest.mark.parametrize(
    ("completion", "words"),
    [
        (says("DROP TABLE singer"), "Refused, and the database is as it was"),
        (says(ENDLESS_SQL), "took too long (--timeout-s): "),
        ("I do not know.", "wrote no SQL that can be run: no answer."),
        (says("SELECT nme FROM singer"), "does not fit the database: no such column: nme."),
    ],
)
def test_a_failure_shows_the_completion_and_says_what_happened(ask: Ask, completion: str, words: str) -> None:
    shown = ask("?", "--timeout-s", "0.2", script=[completion])
    assert shown.code == 1
    assert shown.out.startswith(f"The model wrote:\n{completion}\n\n")
    assert words in shown.out.splitlines()[-1]


def test_a_completion_that_was_cut_is_told_with_its_length(ask: Ask) -> None:
    shown = ask("?", "--json", "--max-new-tokens", "12", script=[NAMES])
    assert shown.json["error"].endswith("it was cut after 12 tokens (--max-new-tokens).")


def test_the_most_common_result_wins_and_the_next_is_told(ask: Ask) -> None:
    script = [
        says(sql) for sql in ("SELECT 1", "SELECT 2", "SELECT 3 - 1", "SELECT x", "DROP TABLE singer", "SELECT 3")
    ]
    shown = ask("?", "--json", "--vote", "6", script=script)
    assert (shown.json["sql"], shown.json["rows"]) == ("SELECT 2", [[2]])
    assert shown.json["votes"] == dict(samples=6, voted=4, agreed=2, runner_up=1, runner_up_sql="SELECT 1")
    told = ask("?", "--vote", "6", script=script).out.splitlines()[-3:]
    assert told == [
        "2 of 6 completions agree on this result, 1 on the next, 1 on others, 2 did not run",
        "the next: SELECT 1",
        "1 row",
    ]


def test_a_vote_in_which_nothing_ran_shows_the_first_completion(ask: Ask) -> None:
    shown = ask("?", "--vote", "3", script=[says("SELECT x"), says("SELECT y"), "prose"])
    assert shown.code == 1
    assert "no such column: x" in shown.out and "None of 3 completions returned rows" in shown.out


def test_a_vote_without_a_temperature_is_refused(ask: Ask) -> None:
    shown = ask("?", "--vote", "3", "--temperature", "0", script=[NAMES])
    assert shown.code == 1 and "would draw the same completion 3 times" in shown.err


def trained(voice: Path, folder: Path, **record: Any) -> Path:
    """The model, with a record of its training."""
    folder.mkdir()
    for file in voice.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "text2sql_r1.json").write_text(json.dumps(record))
    return folder


def test_the_model_is_asked_as_it_was_trained(ask: Ask, voice: Path, tmp_path: Path) -> None:
    record = dict(template="tiny", template_version=1, parser="strict", max_new_tokens=60)
    model = trained(voice, tmp_path / "trained", **record)
    sloppy = f"Well. {says('SELECT 1')}"
    shown = ask("?", "--json", script=[sloppy], model=model)
    assert (shown.json["template"], shown.json["status"]) == ("tiny", "no_sql")
    assert "template tiny: as trained" in shown.err
    shown = ask("?", "--json", "--template", "solution", "--parser", "lenient", script=[sloppy], model=model)
    assert "template solution: trained on tiny" in shown.err


def test_a_template_that_has_changed_since_the_training_is_told(ask: Ask, voice: Path, tmp_path: Path) -> None:
    model = trained(voice, tmp_path / "trained", template="tiny", template_version=0)
    assert "trained on version 0 of this template; here it has version 1" in ask("?", script=[NAMES], model=model).err


def prompt_length(ask: Ask, *flags: str, question: str = "?") -> int:
    return int(ask(question, "--json", *flags, script=[NAMES]).json["prompt_tokens"])


def test_the_prompt_holds_values_that_the_question_mentions_and_the_evidence(ask: Ask) -> None:
    question = 'How old is "Tribal" King?'  # a fourth name; the first three stand in every prompt
    assert prompt_length(ask, question=question) == prompt_length(ask, "--no-values", question=question) + 17
    assert prompt_length(ask, "--no-values", "--evidence", "e" * 50) == prompt_length(ask, "--no-values") + 51


def test_column_meanings_beside_the_file_are_in_the_prompt(ask: Ask, concert_db: Path) -> None:
    before = prompt_length(ask)
    folder = concert_db.parent / "database_description"
    folder.mkdir()
    (folder / "singer.csv").write_text("original_column_name,column_description\nfee,what a night costs\n")
    assert prompt_length(ask) > before


@pytest.mark.parametrize("name", ["sp ace?#%41.db", "größe 東京.sqlite", "no_suffix", 'it\'s "quoted".db'])
def test_any_file_name_will_do(ask: Ask, concert_db: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(concert_db.read_bytes())
    assert ask("?", "--json", script=[NAMES], db=tmp_path / name).json["row_count"] == 2


def test_a_tilde_is_the_home_folder(ask: Ask, concert_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(concert_db.parent))
    assert ask("?", script=[NAMES], db="~/concert.sqlite").code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"a letter to nobody " * 99, "is no SQLite database, or an encrypted one"),
        (b"SQLite format 3\0" + b"x" * 5000, "error: "),
        (b"SQLite format 3\0", "error: "),
    ],
)
def test_what_is_no_database_is_named_before_a_model_is_loaded(
    ask: Ask, tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "given.db"
    if content is not None:
        path.write_bytes(content)
    shown = ask("?", script=[NAMES], db=path, model=tmp_path / "absent")
    assert (shown.code, shown.out) == (1, "")
    assert str(path) in shown.err and words in shown.err


def test_a_folder_is_answered_with_the_files_in_it(ask: Ask, concert_db: Path) -> None:
    shown = ask("?", script=[NAMES], db=concert_db.parent)
    assert shown.code == 1 and f"is a folder. Expected a SQLite file. It holds {concert_db}." in shown.err


def test_a_database_that_another_process_writes_is_told_and_read_once_it_is_closed(ask: Ask, concert_db: Path) -> None:
    with closing(sqlite3.connect(concert_db)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("DELETE FROM singer WHERE singer_id = 1")
        writer.commit()
        told = ask("?", script=[NAMES], model=concert_db.parent / "absent").err
        assert "is being written" in told and "No model" not in told  # and before a model is looked for
    assert ask("?", "--json", script=[NAMES]).json["rows"][0][0] == "John O'Nizinik"


def test_an_open_connection_that_writes_nothing_is_no_obstacle(ask: Ask, concert_db: Path) -> None:
    with closing(sqlite3.connect(concert_db)) as other:
        other.execute("SELECT * FROM singer").fetchone()
        assert ask("?", script=[NAMES]).code == 0


def test_an_empty_question_is_refused(ask: Ask) -> None:
    shown = ask(" \n", script=[NAMES])
    assert (shown.code, shown.out) == (1, "") and "The question is empty" in shown.err


def test_a_cache_that_cannot_be_written_is_told_with_the_flag(ask: Ask, concert_db: Path) -> None:
    shown = ask("?", "--cache-dir", str(concert_db / "cache"), script=[NAMES])
    assert (shown.code, shown.out) == (1, "") and "--cache-dir" in shown.err


def test_a_database_without_tables_is_told(ask: Ask, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "bare.db")) as connection:
        connection.executescript("CREATE TABLE t (a); DROP TABLE t")
    assert "has no tables" in ask("?", script=[NAMES], db=tmp_path / "bare.db").err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--temperature", "nan"), "--temperature is nan"),
        (("--temperature", "inf", "--vote", "3"), "--temperature is inf"),
        (("--timeout-s", "0"), "--timeout-s is 0"),
    ],
)
def test_a_number_without_meaning_is_refused(ask: Ask, flags: tuple[str, ...], message: str) -> None:
    shown = ask("?", *flags, script=[NAMES])
    assert shown.code == 1 and message in shown.err


def test_values_of_a_database_in_utf_16_are_looked_up(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "wide.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA encoding = 'UTF-16le'; CREATE TABLE shop (city TEXT);")
        connection.execute("INSERT INTO shop VALUES ('Zürich')")
        connection.commit()
    assert ask("Is there one in Zürich?", db=path, script=[says("SELECT city FROM shop")]).out.count("Zürich") > 0
