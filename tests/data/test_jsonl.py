# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""JSON Lines on disk: whole or not at all, and readable after a kill."""

from pathlib import Path

import pytest

from arctic_text2sql_r1.data.jsonl import append_json_lines
from arctic_text2sql_r1.data.jsonl import read_json_log
from arctic_text2sql_r1.data.jsonl import write_json_lines
from arctic_text2sql_r1.errors import DataError


def test_a_line_cut_by_a_kill_is_left_out_when_reading(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes('{"a": 1}\n{"a": "é"}\n{"a": "é'.encode()[:-1])  # cut inside a character
    assert read_json_log(log) == [dict(a=1), dict(a="é")]


def test_appending_after_a_kill_removes_the_cut_line_first(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"a": 1}\n{"a": 2')
    append_json_lines(log, [dict(a=3)])
    assert read_json_log(log) == [dict(a=1), dict(a=3)]


def test_damage_in_the_middle_of_a_log_is_an_error_with_its_line(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"a": 1}\n{"a": \n{"a": 3}\n')
    with pytest.raises(DataError, match=r"log\.jsonl', line 2"):
        read_json_log(log)


def test_unicode_stays_readable_and_lone_surrogates_survive(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    write_json_lines(log, [dict(text="東京 \udc80 \x00 \u2028")])
    assert "東京".encode() in log.read_bytes()
    assert read_json_log(log) == [dict(text="東京 \udc80 \x00 \u2028")]


def test_writing_replaces_the_whole_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    write_json_lines(path, [dict(a=1), dict(a=2)])
    write_json_lines(path, [dict(a=3)])
    assert path.read_bytes() == b'{"a": 3}\n'
    assert list(path.parent.iterdir()) == [path]
