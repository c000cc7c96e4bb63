# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What the largest micro-batch that a recipe permits will cost, found out before the first update.

Two uses: gradient checkpointing is left on only where the activations would not fit without it, and on an accelerator
the largest pass is run once, so that a run which is going to die of memory dies at its start. The pass itself is in
`training/learner.py`.
"""

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from arctic_text2sql_r1.batch import MicroBatch
from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.logprobs import Scoring
from arctic_text2sql_r1.logprobs import score_rows
from arctic_text2sql_r1.packed import by_prompt
from arctic_text2sql_r1.training.keys import GRPOKeys
from arctic_text2sql_r1.training.ranks import reduce_max

# Activations may take this share of the memory there is; the rest is for gradients, logits and fragmentation.
ACTIVATION_SHARE = 0.5
# Tokens of the smaller of the two passes in which the activations are measured.
MEASURED_TOKENS = 256


def prepare_memory(learner: Any) -> str:
    """Settles gradient checkpointing, probes the largest micro-batch, and returns a line for the plan.

    A recipe that sets `model.disable_activation_checkpoint` has decided. Every rank makes the same passes.
    """
    config: GRPOKeys = learner.config
    rows = largest_rows(config, learner.split)
    tokens = learner.pack(rows).tokens
    if "disable_activation_checkpoint" in config.model.model_fields_set:
        wanted, why = not config.model.disable_activation_checkpoint, "as the recipe says"
    else:
        needed = activation_bytes_per_token(learner, rows) * tokens
        usable = _usable_bytes(learner)
        # Ranks that recompute gather their shards again: all or none.
        wanted = reduce_max(float(needed > ACTIVATION_SHARE * usable), learner.device) > 0
        why = f"without it activations need {needed / 2**30:.1f} GiB of {usable / 2**30:.1f} GiB"
    set_checkpointing(learner.module, wanted)
    if learner.device.type != "cpu":
        probe(learner, learner.pack(rows))
    return f"gradient checkpointing {'on' if wanted else 'off'}: {why}; largest micro-batch {tokens:,} tokens"


def largest_rows(config: GRPOKeys, split: Any) -> list[TrainingRow]:
    """The first micro-batch of an update in which every prompt and every completion is as long as it may be."""
    prompt_length = config.data.max_length - config.max_new_tokens
    groups = min(config.micro_batch_size, 1 + config.tokens_per_micro_batch // config.data.max_length)
    rows = [
        # Prompts that differ in their first token: equal ones would be packed as one.
        TrainingRow((1 + group, *[1] * (prompt_length - 1)), (1,) * config.max_new_tokens, 1.0, keep=True)
        for group in range(groups)
        for _ in range(config.num_samples_per_prompt)
    ]
    parts: list[list[TrainingRow]] = split(rows, config.tokens_per_micro_batch)
    return parts[0]


def activation_bytes_per_token(learner: Any, rows: list[TrainingRow]) -> float:
    """Bytes that a forward pass over rows of these proportions keeps for its backward pass, for each token.

    Measured on one group with shortened rows: what grows with the tokens is activations, what does not is weights.
    """
    group = by_prompt(rows)[0]  # of all groups together little more than one token a row would be left
    share = learner.pack(group).tokens / MEASURED_TOKENS
    small, large = (learner.pack([_shortened(row, share / factor) for row in group]) for factor in (1, 2))
    more_bytes = _kept_bytes(learner, large) - _kept_bytes(learner, small)
    return more_bytes / int(large.tokens - small.tokens)


def _shortened(row: TrainingRow, by: float) -> TrainingRow:
    prompt, completion = (max(2, round(len(ids) / by)) for ids in (row.prompt_ids, row.completion_ids))
    return replace(row, prompt_ids=[row.prompt_ids[0]] * prompt, completion_ids=[1] * completion)


def _kept_bytes(learner: Any, batch: MicroBatch) -> int:
    saved: list[weakref.ref[torch.Tensor]] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(weakref.ref(tensor))
        return tensor

    # In evaluation mode nothing is checkpointed but the head, whose logits are bounded by themselves.
    learner.engine.eval()
    scoring = Scoring(temperature=1.0, chunk_bytes=1)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), learner.reading(batch):
        scores = score_rows(learner.module, learner.module, batch, scoring)
    # What the head saved for gradients of its own is gone by now, and its addresses are others' again.
    storages = [tensor.untyped_storage() for tensor in (reference() for reference in saved) if tensor is not None]
    del scores
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _usable_bytes(learner: Any) -> float:
    """Memory that this rank may still take on its GPU, or its share of the machine's main memory.

    Not what is free of main memory at the moment: layers would be recomputed in one run and not in the next.
    """
    if learner.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(learner.device)
        return float(free + torch.cuda.memory_reserved(learner.device) - torch.cuda.memory_allocated(learner.device))
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / int(learner.trainer.world_size)


def set_checkpointing(model: Any, wanted: bool) -> None:
    """Switches the recomputation of layers in the backward pass on or off.

    ArcticTraining switches on the kind that needs gradients at the embeddings and cannot be differentiated by
    `torch.autograd.grad`, as `probe` does; here it is the other kind.
    """
    if hasattr(model, "_require_grads_hook"):
        model.disable_input_require_grads()
    if wanted:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=dict(use_reentrant=False))
    else:
        model.gradient_checkpointing_disable()


def probe(learner: Any, batch: MicroBatch) -> None:
    """Runs all passes of one micro-batch and discards what they found; raises `TrainingError` when memory runs out.

    Gradients are returned instead of accumulated and the engine is passed by, so weights, gradients, the optimizer,
    the engine's counters and random states stay as they are. Generation is not probed.
    """
    with naming_settings("Probing the largest micro-batch", batch):
        if learner.config.cells.kl_coef > 0:
            learner.reference_logprobs(batch)
        learner.engine.train()
        with learner.reading(batch):
            scores = score_rows(learner.module, learner.module, batch, learner.scoring)
            trainable = [p for p in learner.module.parameters() if p.requires_grad]
            torch.autograd.grad(torch.stack(scores).sum(), trainable, allow_unused=True)
        learner.engine.eval()
    # Under ZeRO-3 a pass that accumulates nothing leaves weights marked as in use, and no rollout could gather them.
    learner.engine.empty_partition_cache()


@contextmanager
def naming_settings(doing: str, batch: MicroBatch) -> Iterator[None]:
    """Inside, running out of memory on an accelerator is a `TrainingError` that says what to lower."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        rows, steps = batch.completion_mask.shape
        raise TrainingError(
            f"{doing} ran out of memory: {batch.tokens} tokens, {rows} completions of up to {steps} tokens. Lower "
            f"tokens_per_micro_batch, then rollout.max_batch_rows, then max_new_tokens. {error}"
        ) from error
