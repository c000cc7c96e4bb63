# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Rollouts by the training model itself, in the training process: no server, no second engine.

The prompts of a batch are read once and their caches shared by their completions (`decode.py`), with the adapter
merged where that changes nothing (`merged.py`). A model that cannot be decoded so, because its layers keep a state of
another kind or its attention is its own, goes through transformers' `generate` instead; that is found by trying, not
by name.

The model's own generation config is ignored except for its end-of-sequence ids: instruction-tuned checkpoints ship
top-k, top-p and repetition penalties that would make the sampling distribution differ from the one that is trained.
"""

import logging
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import contextmanager
from contextlib import nullcontext
from typing import Any

import torch

from arctic_text2sql_r1.rollout.base import ROLLOUT_ENGINES
from arctic_text2sql_r1.rollout.base import EngineSetup
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.base import to_completion
from arctic_text2sql_r1.rollout.decode import DecodeBatch
from arctic_text2sql_r1.rollout.decode import decode
from arctic_text2sql_r1.rollout.decode import pad_left
from arctic_text2sql_r1.rollout.decode import why_not
from arctic_text2sql_r1.rollout.merged import merged_adapters
from arctic_text2sql_r1.rollout.sampling import row_uniforms
from arctic_text2sql_r1.types import Completion

LOG = logging.getLogger(__name__)


@ROLLOUT_ENGINES.register("hf")
class HFRolloutEngine:
    """Samples from `model`, a transformers causal language model (PEFT-wrapped or not).

    `max_batch_rows` bounds the rows decoded together; None means all at once. `synced_gpus` keeps ranks generating
    until the slowest has finished, which ZeRO-3 needs; ranks must then ask for equally many prompts. `merge_adapter`
    is as in `merged_adapters`. `gather` is entered around every call: the place for ZeRO-3's gathering of weights.
    The model's training mode is restored after each call.

    Greedy completions do not depend on how prompts are batched, nor do sampled ones, whose rows have random streams
    of their own: up to rounding, since a matrix product's last digits depend on its shape, and a token whose
    neighbour is as likely to within those digits may change.
    """

    samples_elsewhere = False
    needs_adapter = False

    @classmethod
    def for_training(cls, setup: EngineSetup) -> "HFRolloutEngine":
        """The engine that samples from the training model itself."""
        rows = setup.options.max_batch_rows
        return cls(
            setup.model, setup.tokenizer, max_batch_rows=rows, synced_gpus=setup.synced_gpus, gather=setup.gather
        )

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        max_batch_rows: int | None = None,
        synced_gpus: bool = False,
        merge_adapter: bool | None = None,
        gather: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.max_batch_rows = max_batch_rows
        self.synced_gpus = synced_gpus
        self.merge_adapter = merge_adapter
        self.gather = gather
        self.eos_token_ids = eos_token_ids(model, tokenizer)
        # Whether `decode.py` decodes this model, else `generate` does. None until tried; set it to have it so.
        self.shares_prefixes: bool | None = None

    def generate(self, prompts: Sequence[Sequence[int]], sampling: SamplingParams) -> list[list[Completion]]:
        """See `RolloutEngine.generate`. Rows are drawn from a random state derived from `sampling.seed` alone.

        Raises ValueError for an empty prompt, which nothing could be predicted from.
        """
        if len(prompts) == 0:
            return []
        empty = [index for index, prompt in enumerate(prompts) if len(prompt) == 0]
        if len(empty) > 0:
            raise ValueError(f"Cannot complete prompts {empty}: they are empty, expected at least one token.")
        with _eval_mode(self.model), _seeded(sampling.seed), torch.no_grad(), self.gather():
            if self.shares_prefixes is None:
                self.shares_prefixes = self._try_decoding(prompts[0])
            run = self._decode_all if self.shares_prefixes else self._generate_all
            completions = run(prompts, sampling)
        count = sampling.num_samples
        return [completions[index * count : (index + 1) * count] for index in range(len(prompts))]

    def _try_decoding(self, prompt: Sequence[int]) -> bool:
        """Whether `decode.py` can be trusted with the model, tried on the first tokens of a prompt."""
        reason = why_not(self.model, prompt[:4], self.synced_gpus)
        if reason is not None:
            LOG.info("Rollouts of %s go through generate: %s.", type(self.model).__name__, reason)
        return reason is None

    # ----- our own decoding ---------------------------------------------------------------------------------------

    def _decode_all(self, prompts: Sequence[Sequence[int]], sampling: SamplingParams) -> list[Completion]:
        count = sampling.num_samples
        uniforms = None
        if sampling.temperature > 0:
            uniforms = row_uniforms(sampling.seed, len(prompts) * count, sampling.max_new_tokens)
        completions: list[Completion] = []
        with merged_adapters(self.model, self.merge_adapter):
            for part, counts in self._batches(prompts, count):
                first = len(completions)
                batch = DecodeBatch(
                    prompts=part,
                    counts=counts,
                    max_new_tokens=sampling.max_new_tokens,
                    temperature=sampling.temperature,
                    uniforms=None if uniforms is None else uniforms[first : first + sum(counts)],
                    stops=self.eos_token_ids,
                    pad_token_id=self.pad_token_id,
                    synced=self.synced_gpus,
                )
                for ids, logprobs in zip(*decode(self.model, batch), strict=True):
                    completions.append(self._completion(ids, sampling.max_new_tokens, logprobs))
        return completions

    def _batches(
        self, prompts: Sequence[Sequence[int]], count: int
    ) -> Iterator[tuple[Sequence[Sequence[int]], list[int]]]:
        """Prompts with their numbers of rows: whole groups where `max_batch_rows` allows, else parts of one group."""
        size = self.max_batch_rows or len(prompts) * count
        together = size // count
        if together > 0:
            for start in range(0, len(prompts), together):
                part = prompts[start : start + together]
                yield part, [count] * len(part)
            return
        for prompt in prompts:
            for start in range(0, count, size):
                yield [prompt], [min(size, count - start)]

    # ----- transformers' own decoding -----------------------------------------------------------------------------

    def _generate_all(self, prompts: Sequence[Sequence[int]], sampling: SamplingParams) -> list[Completion]:
        rows = [prompt for prompt in prompts for _ in range(sampling.num_samples)]
        size = self.max_batch_rows or len(rows)
        completions: list[Completion] = []
        for start in range(0, len(rows), size):
            completions.extend(self._generate_rows(rows[start : start + size], sampling))
        return completions

    def _generate_rows(self, rows: Sequence[Sequence[int]], sampling: SamplingParams) -> list[Completion]:
        input_ids, attention_mask = pad_left(rows, self.pad_token_id, self.model.device)
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

    def _completion(self, new_ids: list[int], limit: int, logprobs: Sequence[float] = ()) -> Completion:
        return to_completion(new_ids, self.eos_token_ids, limit, self.tokenizer, logprobs)


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
    """A random state derived from `seed` inside, the caller's own again afterwards.

    `generate` draws from it; our own decoding has a generator of its own, but what a model does is its affair.
    """
    # Named devices: left to choose, torch warns on every machine with more than one.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
