# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Engines for `--engine`: one that recites what the variable SCRIPT holds, one that never comes to an end."""

import json
import os
import time
from collections.abc import Sequence
from typing import Any

from arctic_text2sql_r1.rollout.base import RolloutEngine
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.scripted import ScriptedRolloutEngine
from arctic_text2sql_r1.types import Completion

ENDLESS = "an endless completion"


class Recital:
    """Recites the texts in SCRIPT, a JSON list; at ENDLESS it writes on for ever."""

    samples_elsewhere = False
    needs_adapter = False

    def __init__(self, tokenizer: Any) -> None:
        self._engine = ScriptedRolloutEngine(json.loads(os.environ["SCRIPT"]), tokenizer)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: SamplingParams) -> list[list[Completion]]:
        groups = self._engine.generate(prompts, sampling)
        while groups[0][0].text == ENDLESS:
            time.sleep(0.01)
        return groups


def recite(options: Any, tokenizer: Any) -> RolloutEngine:
    return Recital(tokenizer)
