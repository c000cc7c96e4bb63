# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Real weights behind `ask`: a tiny random model and an adapter on it, as training saves them, and a fake server."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arctic_text2sql_r1.asking.asker import Asker
from arctic_text2sql_r1.asking.asker import open_asker
from arctic_text2sql_r1.asking.options import AskOptions
from tests.arctic.toy_project import build_toy_model
from tests.evaluation.conftest import _save_adapter
from tests.rollout.fake_vllm import FakeVLLM

pytestmark = pytest.mark.slow
QUESTION = "How many singers are there?"


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live adapter with what training records beside it."""
    folder = tmp_path_factory.mktemp("model")
    adapter = _save_adapter(build_toy_model(folder / "base"), folder / "run_1" / "best", lora_b=0.01)
    record = dict(template="tiny", template_version=1, parser="lenient", max_new_tokens=40)
    (adapter / "text2sql_r1.json").write_text(json.dumps(record))
    return adapter


@pytest.fixture
def asker(adapter: Path, concert_db: Path, tmp_path: Path) -> Iterator[Asker]:
    with open_asker(AskOptions(str(adapter), str(concert_db), cache_dir=tmp_path)) as asker:
        yield asker


def test_an_adapter_is_asked_greedily_as_it_was_trained(asker: Asker) -> None:
    one, other = asker.ask(QUESTION), asker.ask(QUESTION)
    assert (one.template, asker.notes) == ("tiny", ("template tiny: as trained",))
    assert 0 < one.completion_tokens <= 40
    assert one.completion == other.completion != ""
    voted = asker.ask(QUESTION, vote=3)
    assert voted.votes is not None and voted.votes.samples == 3


def test_ctrl_c_stops_the_model_which_then_answers_as_before(adapter: Path, concert_db: Path, tmp_path: Path) -> None:
    with open_asker(AskOptions(str(adapter), str(concert_db), cache_dir=tmp_path, max_new_tokens=600)) as asker:
        before = asker.ask(QUESTION).completion
        engine: Any = asker._sampler.engine
        stops, engine.eos_token_ids = engine.eos_token_ids, [10**9]  # nothing ends a completion
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            asker.ask(QUESTION)
        assert time.monotonic() - started < 2
        engine.eos_token_ids = stops
        assert asker.ask(QUESTION).completion == before


def test_the_command_prints_one_json_object_and_nothing_else(adapter: Path, concert_db: Path, tmp_path: Path) -> None:
    code = "import sys; from arctic_text2sql_r1.cli import main; sys.exit(main(sys.argv[1:]))"
    flags = ["ask", "--model", str(adapter), "--db", str(concert_db), "--cache-dir", str(tmp_path), "--json", QUESTION]
    ended = subprocess.run([sys.executable, "-c", code, *flags], capture_output=True, text=True, timeout=120)
    found = json.loads(ended.stdout)
    assert found["model"] == str(adapter)
    assert ended.returncode == (0 if found["status"] == "ok" else 1)


def test_a_served_model_is_asked_by_its_url(adapter: Path, concert_db: Path, tmp_path: Path) -> None:
    base = adapter.parent.parent / "base"
    server = FakeVLLM()
    server.root = str(base)
    try:
        with open_asker(AskOptions(f"vllm:{server.url}", str(concert_db), cache_dir=tmp_path)) as asker:
            answer = asker.ask(QUESTION, vote=2)
    finally:
        server.close()
    assert (answer.status, answer.model) == ("no_sql", f"vllm:{server.url}")
    assert server.completions_asked[-1]["n"] == 2
