# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The text2sql-r1 command as users call it: files in, files out, one message for each mistake."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from arctic_text2sql_r1.cli import main

GOLD = "SELECT COUNT(*) FROM singer"
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n"


def answer(sql: str) -> str:
    return f"<think>x</think><answer>{sql}</answer>"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def score(rows: Path, out: Path, *flags: str) -> int:
    return main(["score", str(rows), "--databases", str(rows.parent), "--out", str(out), "--workers", "1", *flags])


def test_help_imports_nothing_heavy_and_answers_at_once() -> None:
    code = (
        "import sys\nfrom arctic_text2sql_r1.cli import main\ntry: main(['--help'])\n"
        "finally: print([m for m in ('torch', 'transformers', 'rich', 'scipy', 'sqlglot') if m in sys.modules])"
    )
    start = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert time.monotonic() - start < 5  # 0.1 s on an idle machine


def test_score_writes_one_row_for_each_in_order(concert_db: Path, tmp_path: Path) -> None:
    given = [
        dict(completion=answer("SELECT 5")),
        dict(prediction="SELECT 6"),
        dict(completion="prose"),
        dict(prediction=None),
        dict(prediction="SELECT x FROM singer"),
        dict(prediction="SELECT 5", gold_sql="SELECT absent FROM singer"),
        dict(prediction=ENDLESS),
    ]
    rows = [dict(id=f"r{n}", db_id="concert", **{"gold_sql": GOLD, **row}) for n, row in enumerate(given)]
    assert score(write_lines(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl", "--timeout-s", "0.5") == 0
    scored = lines(tmp_path / "out.jsonl")
    assert [row["id"] for row in scored] == [f"r{n}" for n in range(7)]
    assert [row["reward"] for row in scored] == [1.0, 0.1, 0.0, 0.0, 0.0, None, 0.0]
    assert [row["correct"] for row in scored] == [True, False, False, False, False, None, False]
    assert [row["status"] for row in scored] == ["ok", "ok", None, None, "schema_error", "ok", "timeout"]
    assert [row["gold_status"] for row in scored] == ["ok"] * 5 + ["schema_error", "ok"]
    assert set(scored[0]) == {
        "id",
        "reward",
        "components",
        "status",
        "gold_status",
        "prediction",
        "correct",
        "rows",
        "elapsed_s",
        "error",
    }
    assert (scored[0]["components"], scored[0]["prediction"], scored[0]["rows"]) == (
        dict(execution=1.0),
        "SELECT 5",
        1,
    )


def test_score_shows_a_summary(concert_db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [dict(db_id="concert", gold_sql=GOLD, prediction=sql) for sql in ("SELECT 5", "SELECT 6")]
    score(write_lines(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl", "--compare", "bird")
    shown = capsys.readouterr().out
    assert "comparison mode bird" in shown
    assert "mean reward" in shown
    assert "0.5500" in shown
    assert "right but suspicious: no_from" in shown  # SELECT 5 was not asked of any table


BAD_LINES = [
    ('{"id": 1', "Malformed JSON"),
    ('{"db_id": "concert", "gold_sql": "SELECT 1"}', "'completion' or 'prediction'"),
    ('{"db_id": "concert", "gold_sql": "SELECT 1", "prediction": 3}', "prediction is not text"),
    ('{"db_id": "absent", "gold_sql": "SELECT 1", "prediction": "SELECT 1"}', "no database file for db_id 'absent'"),
    ('{"db_id": "concert", "prediction": "SELECT 1"}', "'gold_sql'"),
    ("[]", "expected an object"),
    ("[" * 100_000, "recursion"),
    ('{"db_id": "\ud800', "not UTF-8"),
]


def test_score_reads_and_writes_standard_streams(concert_db: Path, tmp_path: Path) -> None:
    row = json.dumps(dict(id="one", db_id="concert", gold_sql=GOLD, prediction="SELECT COUNT(name) FROM singer"))
    code = "import sys; from arctic_text2sql_r1.cli import main; sys.exit(main(sys.argv[1:]))"
    ended = subprocess.run(
        [sys.executable, "-c", code, "score", "-", "--databases", str(concert_db.parent), "--out", "-"],
        input=row,
        capture_output=True,
        text=True,
    )
    assert [json.loads(line)["reward"] for line in ended.stdout.splitlines()] == [1.0]
    assert "comparison mode default" in ended.stderr


def test_ids_come_back_as_they_were_given(concert_db: Path, tmp_path: Path) -> None:
    ids: list[Any] = [7, "7", 1.5, None, ["x"]]
    rows = [dict(id=row_id, db_id="concert", gold_sql=GOLD, completion=None, prediction=GOLD) for row_id in ids]
    assert score(write_lines(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl") == 0
    scored = lines(tmp_path / "out.jsonl")
    assert [row["id"] for row in scored] == [7, "7", 1.5, 4, ["x"]]  # without an id, the line's number
    assert [row["correct"] for row in scored] == [True] * 5


def test_a_row_over_an_unreadable_database_is_a_bad_line(
    concert_db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torn.sqlite").write_bytes(b"no database at all, but long enough to look like one" * 40)
    rows = [dict(id=db, db_id=db, gold_sql="SELECT 1", prediction="SELECT 1") for db in ("concert", "torn")]
    given = write_lines(tmp_path / "in.jsonl", rows)
    assert score(given, tmp_path / "out.jsonl") == 1
    assert "line 2: Cannot read database" in capsys.readouterr().err
    assert score(given, tmp_path / "out.jsonl", "--skip-bad") == 0
    assert [row["id"] for row in lines(tmp_path / "out.jsonl")] == ["concert"]


@pytest.mark.parametrize("out", ["", "file/out.jsonl", "in.jsonl"])
def test_output_that_cannot_be_written_is_told_before_the_work(
    concert_db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    (tmp_path / "file").write_text("not a folder")
    rows = write_lines(tmp_path / "in.jsonl", [dict(db_id="concert", gold_sql=GOLD, prediction=GOLD)])
    assert score(rows, tmp_path / out) == 1
    assert str(tmp_path / out) in capsys.readouterr().err
    assert len(lines(rows)) == 1


OWN_REWARD = """
from arctic_text2sql_r1.rewards.base import RewardOutput

def short(record):
    return RewardOutput(1.0 if len(record.prediction or "") < 30 else 0.0, {"length": float(len(record.text))})
"""


def test_a_reward_of_ones_own_is_tried_on_one_row(
    concert_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_reward.py").write_text(OWN_REWARD)
    rows = write_lines(tmp_path / "in.jsonl", [dict(db_id="concert", gold_sql=GOLD, prediction=GOLD)])
    assert score(rows, tmp_path / "out.jsonl", "--reward", "execution,own_reward:short") == 0
    row = lines(tmp_path / "out.jsonl")[0]
    assert row["reward"] == 2.0
    assert row["components"] == {"execution": 1.0, "own_reward:short": 1.0, "own_reward:short/length": len(GOLD)}


def test_a_prefilled_thought_is_scored_with_its_prefill(concert_db: Path, tmp_path: Path) -> None:
    completion = f"count</think><answer>{GOLD}</answer>"
    rows = write_lines(tmp_path / "in.jsonl", [dict(db_id="concert", gold_sql=GOLD, completion=completion)])
    assert score(rows, tmp_path / "out.jsonl", "--prefill", "<think>") == 0
    assert lines(tmp_path / "out.jsonl")[0]["reward"] == 1.0


@pytest.mark.parametrize(("bad", "told"), BAD_LINES)
def test_a_bad_line_stops_score_unless_it_may_be_skipped(
    concert_db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: str, told: str
) -> None:
    good = json.dumps(dict(id="good", db_id="concert", gold_sql=GOLD, prediction=GOLD))
    (tmp_path / "in.jsonl").write_bytes(f"{bad}\n\n{good}\n".encode("utf-8", "surrogatepass"))
    assert score(tmp_path / "in.jsonl", tmp_path / "out.jsonl") == 1
    assert not (tmp_path / "out.jsonl").exists()
    message = capsys.readouterr().err
    assert ("line 1" in message, told in message) == (True, True)
    assert score(tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--skip-bad") == 0
    assert [row["id"] for row in lines(tmp_path / "out.jsonl")] == ["good"]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--reward", "generous"], "Unknown reward 'generous'"),
        (["--format", "morse"], "Unknown completion format 'morse'"),
        (["--compare", "loose"], "default"),
    ],
)
def test_an_unknown_name_is_one_message_with_the_known_ones(
    concert_db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
) -> None:
    rows = write_lines(tmp_path / "in.jsonl", [dict(db_id="concert", gold_sql=GOLD, prediction=GOLD)])
    assert score(rows, tmp_path / "out.jsonl", *flags) == 1
    message = capsys.readouterr().err
    assert told in message
    assert "Known" in message


def test_check_data_writes_kept_rows_and_rejects(
    concert_db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golds = [GOLD, "SELECT x FROM singer", "SELECT 1 WHERE 0"]
    data = [dict(db_id="concert", question="?", query=gold) for gold in golds]
    data.append(dict(db_id="absent", question="?", query=GOLD))
    data.append(dict(db_id="concert", question="?", query=" "))
    (tmp_path / "all.json").write_text(json.dumps(data))
    flags = ["--out", str(tmp_path / "kept.json"), "--rejects", str(tmp_path / "rejects.jsonl"), "--workers", "1"]
    assert main(["check-data", str(tmp_path / "all.json"), "--databases", str(tmp_path), *flags]) == 0
    assert [row["id"] for row in json.loads((tmp_path / "kept.json").read_text())] == ["all-0"]
    rejects = lines(tmp_path / "rejects.jsonl")
    assert [(row.get("id"), row["reason"].partition(":")[0]) for row in rejects] == [
        ("all-1", "schema_error"),
        ("all-2", "empty"),
        ("all-3", "missing_database"),
        (None, "unusable_row"),
    ]
    assert (
        "1 golds kept, 3 rejected (1 schema_error, 1 empty, 1 missing_database); 1 unusable rows"
        in capsys.readouterr().out
    )


def test_evaluate_refuses_a_missing_model_in_one_message(
    concert_db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--baseline", "./absent", "--trained", "./absent", "--data", "x.json", "--out", str(tmp_path / "out")]
    assert main(["evaluate", *flags]) == 1
    assert capsys.readouterr().err.startswith("error: No model at './absent'")


def test_evaluate_models_runs_from_any_folder(tmp_path: Path) -> None:
    script = Path(__file__).resolve().parent.parent / "projects" / "arctic_text2sql_r1" / "evaluate_models.py"
    ended = subprocess.run([sys.executable, str(script), "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, "--baseline MODEL" in ended.stdout) == (0, True)
