# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The reciting engine: order of its texts, and where a text meets the length limit."""

from typing import Any

import pytest

from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.scripted import ScriptedRolloutEngine
from arctic_text2sql_r1.types import Completion

LIMIT_3 = SamplingParams(max_new_tokens=3)


def test_texts_come_in_order_and_start_over_across_calls() -> None:
    engine = ScriptedRolloutEngine(["a", "b", "c"])
    pairs = engine.generate([[1], [2]], SamplingParams(max_new_tokens=9, num_samples=2))
    assert [[completion.text for completion in group] for group in pairs] == [["a", "b"], ["c", "a"]]
    assert engine.generate([[1]], SamplingParams(max_new_tokens=9))[0][0].text == "b"


def test_a_text_that_fits_ends_with_the_end_token(tokenizer: Any) -> None:
    engine = ScriptedRolloutEngine(["w3 w4"], tokenizer=tokenizer)
    assert engine.generate([[5]], LIMIT_3) == [[Completion("w3 w4", token_ids=(3, 4, 1))]]


@pytest.mark.parametrize("text", ["w3 w4 w5", "w3 w4 w5 w6"])
def test_a_text_that_leaves_no_room_for_the_end_token_is_truncated(text: str, tokenizer: Any) -> None:
    engine = ScriptedRolloutEngine([text], tokenizer=tokenizer)
    assert engine.generate([[5]], LIMIT_3) == [[Completion("w3 w4 w5", token_ids=(3, 4, 5), truncated=True)]]


def test_no_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one text"):
        ScriptedRolloutEngine([])
