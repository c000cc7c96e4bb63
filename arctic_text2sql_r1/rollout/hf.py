# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Rollouts with Hugging Face `generate`: no server, no second copy of the weights.

All samples of all prompts go through one batched call (cut only by `max_batch_rows`), with the key-value cache on.
The model's own generation config is ignored except for its end-of-sequence ids: instruction-tuned checkpoints ship
top-k, top-p and repetition penalties that would make the sampling distribution differ from the one that is trained.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import torch

from arctic_text2sql_r1.rollout.base import ROLLOUT_ENGINES
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.types import Completion


@ROLLOUT_ENGINES.register("hf")
class HFRolloutEngine:
    """Samples from `model`, a transformers causal language model (PEFT-wrapped or not).

    `max_batch_rows` bounds the rows of one call; None means all at once. `synced_gpus` keeps ranks generating until
    the slowest has finished, which ZeRO-3 needs. The model's training mode is restored after each call.
    """

    def __init__(
        self, model: Any, tokenizer: Any, max_batch_rows: int | None = None, synced_gpus: bool = False
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.max_batch_rows = max_batch_rows
        self.synced_gpus = synced_gpus
        self.eos_token_ids = eos_token_ids(model, tokenizer)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: SamplingParams) -> list[list[Completion]]:
        """See `RolloutEngine.generate`. Rows are drawn from a random state derived from `sampling.seed` alone."""
        if len(prompts) == 0:
            return []
        rows = [prompt for prompt in prompts for _ in range(sampling.num_samples)]
        size = self.max_batch_rows or len(rows)
        completions: list[Completion] = []
        with _eval_mode(self.model), _seeded(sampling.seed), torch.no_grad():
            for start in range(0, len(rows), size):
                completions.extend(self._generate_rows(rows[start : start + size], sampling))
        count = sampling.num_samples
        return [completions[index * count : (index + 1) * count] for index in range(len(prompts))]

    def _generate_rows(self, rows: Sequence[Sequence[int]], sampling: SamplingParams) -> list[Completion]:
        input_ids, attention_mask = self._pad_left(rows)
        output = self.model.generate(
            input_ids=input_ids,
            attention_mask=attention_mask,
            generation_config=self._generation_config(sampling),
            use_model_defaults=False,
            synced_gpus=self.synced_gpus,
        )
        new_ids = output[:, input_ids.shape[1] :].tolist()
        return [self._completion(ids, limit=sampling.max_new_tokens) for ids in new_ids]

    def _generation_config(self, sampling: SamplingParams) -> Any:
        from transformers import GenerationConfig

        greedy = sampling.temperature == 0
        drawing = dict(do_sample=False) if greedy else dict(do_sample=True, temperature=sampling.temperature)
        return GenerationConfig(
            max_new_tokens=sampling.max_new_tokens,
            eos_token_id=self.eos_token_ids,
            pad_token_id=self.pad_token_id,
            use_cache=True,
            top_k=0 if not greedy else None,
            top_p=1.0 if not greedy else None,
            **drawing,
        )

    @property
    def pad_token_id(self) -> int:
        """The tokenizer's padding id, or its first end-of-sequence id when it has none."""
        pad = self.tokenizer.pad_token_id
        return self.eos_token_ids[0] if pad is None else int(pad)

    def _pad_left(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        width = max(len(row) for row in rows)
        input_ids = torch.full((len(rows), width), self.pad_token_id, dtype=torch.long)
        attention_mask = torch.zeros((len(rows), width), dtype=torch.long)
        for index, row in enumerate(rows):
            input_ids[index, width - len(row) :] = torch.tensor(row, dtype=torch.long)
            attention_mask[index, width - len(row) :] = 1
        device = self.model.device
        return input_ids.to(device), attention_mask.to(device)

    def _completion(self, new_ids: list[int], limit: int) -> Completion:
        """Cuts what `generate` appended after the first end-of-sequence id; that id stays part of the completion."""
        stop = next((index for index, token in enumerate(new_ids) if token in self.eos_token_ids), None)
        token_ids = new_ids[:limit] if stop is None else new_ids[: stop + 1]
        written = token_ids if stop is None else new_ids[:stop]  # not every end-of-sequence id is a special token
        return Completion(
            # Cleaning up would move spaces around punctuation, inside SQL string literals too.
            text=self.tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False),
            token_ids=tuple(token_ids),
            truncated=stop is None,
        )


def eos_token_ids(model: Any, tokenizer: Any) -> list[int]:
    """Every id that ends a completion: the tokenizer's and all of the model's generation config, sorted.

    Raises ValueError when there is none, since every completion would then run to the length limit.
    """
    configured = getattr(model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    ids = {int(token) for token in [*listed, tokenizer.eos_token_id] if token is not None}
    if len(ids) == 0:
        raise ValueError(
            "Neither the tokenizer nor the model's generation config names an end-of-sequence token, so no completion "
            "could ever end. Set tokenizer.eos_token, or eos_token_id in generation_config.json."
        )
    return sorted(ids)


@contextmanager
def _eval_mode(model: Any) -> Iterator[None]:
    """Evaluation mode inside: no dropout, and gradient checkpointing (which would switch the cache off) inactive."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """A random state derived from `seed` inside, the caller's own again afterwards."""
    # Named devices: left to choose, torch warns on every machine with more than one.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
