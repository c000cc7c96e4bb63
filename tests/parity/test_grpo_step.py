# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`benchmarks/grpo_step.py` as a whole, on work so small that its figures mean nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "grpo_step.py"
TINY = ["--layers", "1", "--width", "128", "--prompt-tokens", "96", "--new-tokens", "6", "--updates", "1"]

pytestmark = pytest.mark.skipif("TRL_PYTHON" not in os.environ, reason="needs TRL: run make test-parity")


def test_both_sides_write_and_train_the_same_number_of_tokens() -> None:
    command = [sys.executable, str(BENCHMARK), *TINY, "--trl-python", os.environ["TRL_PYTHON"]]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout.splitlines()[-1])
    for side in ("ours", "trl"):
        assert result[side]["generated_tokens"] == result[side]["trained_tokens"] == 8 * 8 * 6
        assert 0 < result[side]["phases"]["generate"] < result[side]["cpu_s"]
