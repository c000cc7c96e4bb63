# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A rollout engine that recites given texts: for tests and for trying a pipeline without a model."""

from collections.abc import Sequence
from typing import Any

from arctic_text2sql_r1.rollout.base import ROLLOUT_ENGINES
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.types import Completion


@ROLLOUT_ENGINES.register("scripted")
class ScriptedRolloutEngine:
    """Returns `texts` one after another, starting over at the end; token ids are filled in when a tokenizer is given.

    A text that needs more than `max_new_tokens` tokens comes back cut and marked truncated, as a model's would.
    """

    samples_elsewhere = False
    needs_adapter = False

    def __init__(self, texts: Sequence[str], tokenizer: Any = None) -> None:
        if len(texts) == 0:
            raise ValueError("A scripted engine needs at least one text to recite.")
        self.texts = list(texts)
        self.tokenizer = tokenizer
        self._next = 0

    def generate(self, prompts: Sequence[Sequence[int]], sampling: SamplingParams) -> list[list[Completion]]:
        """See `RolloutEngine.generate`; `sampling.temperature` and `seed` have no effect."""
        return [[self._recite(sampling.max_new_tokens) for _ in range(sampling.num_samples)] for _ in prompts]

    def _recite(self, max_new_tokens: int) -> Completion:
        text = self.texts[self._next % len(self.texts)]
        self._next += 1
        if self.tokenizer is None:
            return Completion(text=text)
        token_ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(token_ids) >= max_new_tokens:  # no room for the end-of-sequence token
            token_ids = token_ids[:max_new_tokens]
            text = self.tokenizer.decode(token_ids, clean_up_tokenization_spaces=False)
            return Completion(text=text, token_ids=tuple(token_ids), truncated=True)
        return Completion(text=text, token_ids=(*token_ids, self.tokenizer.eos_token_id))
