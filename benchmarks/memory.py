# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Peak memory of a training pass and of a rollout: a formula, what the real passes take on a CPU, and a table.

    python benchmarks/memory.py            measures small models and prints what the formula says of each
    python benchmarks/memory.py --table    prints the computed peaks for Qwen2.5-Coder models on one GPU

Measured are the bytes of all tensors alive, operation by operation; what an operation takes for itself while it runs
does not count, nor do the allocator's fragments, CUDA's context (about half a gigabyte) or other processes. The
optimizer's states are taken to be offloaded. One JSON line for each case on stdout.
"""

import argparse
import json
import weakref
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.logprobs import Scoring
from arctic_text2sql_r1.logprobs import score_rows
from arctic_text2sql_r1.packed import pack_groups
from arctic_text2sql_r1.packed import packed_mode
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.hf import HFRolloutEngine
from arctic_text2sql_r1.rollout.shared_prefix import GROWTH

# Tensors of a logit chunk's size that are alive together: logits, log-softmax, and their gradients.
LOGITS_COPIES = 4


@dataclass(frozen=True)
class Shape:
    """A Qwen2 of tied embeddings with LoRA of rank `rank` on every linear layer; `width` bytes for each number."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_value_heads: int
    vocabulary: int
    rank: int = 16
    width: int = 2
    head_size: int = 128

    @property
    def query(self) -> int:
        return self.heads * self.head_size

    @property
    def key_value(self) -> int:
        return self.key_value_heads * self.head_size

    @property
    def weight_bytes(self) -> int:
        attention = 2 * self.hidden * (self.query + self.key_value) + self.query + 2 * self.key_value
        layer = attention + 3 * self.hidden * self.intermediate + 2 * self.hidden
        return self.width * (self.vocabulary * self.hidden + self.layers * layer + self.hidden)

    @property
    def adapter_bytes(self) -> int:
        sides = 4 * self.hidden + 2 * self.query + 2 * self.key_value + 3 * (self.hidden + self.intermediate)
        return self.width * self.rank * self.layers * sides

    @property
    def cache_bytes_per_token(self) -> int:
        return 2 * self.key_value * self.layers * self.width


@dataclass(frozen=True)
class Load:
    """What is decoded together and trained together.

    `prompts` of `prompt` tokens, `samples` completions of `completion` tokens for each: one rollout batch. `tokens`
    go through one training pass, `chunk_bytes` of float32 logits at a time.
    """

    prompts: int
    samples: int
    prompt: int
    completion: int
    tokens: int
    chunk_bytes: int
    checkpointing: bool = True


def training_bytes(shape: Shape, load: Load) -> int:
    """Peak of one training pass: weights, adapter with gradients, activations, one chunk of logits.

    A layer keeps for each token: its two norms' float32 inputs; their outputs; queries, keys and values; what
    attention gave, twice; four tensors of the MLP. While that is differentiated, three more of its width are alive.
    """
    kept = 8 * shape.hidden + shape.width * (
        2 * shape.hidden + 3 * shape.query + 2 * shape.key_value + 4 * shape.intermediate + 7 * shape.rank
    )
    layer_inputs = shape.layers * shape.width * shape.hidden if load.checkpointing else 0
    whole_layers = 1 if load.checkpointing else shape.layers
    per_token = layer_inputs + whole_layers * kept
    in_backward = 3 * shape.width * shape.intermediate * load.tokens
    logits = LOGITS_COPIES * load.chunk_bytes
    return fixed_bytes(shape) + shape.adapter_bytes + per_token * load.tokens + max(in_backward, logits)


def rollout_bytes(shape: Shape, load: Load) -> int:
    """Peak of one rollout batch, at its start or at its end.

    First the prompts are read, with three tensors of the MLP's width alive; in the end every completion has a cache of
    its own beside the prompts', and either a token is drawn from logits and two float32 tensors of their size, or the
    caches of one layer are copied to grow.
    """
    rows = load.prompts * load.samples
    columns = -(-load.completion // GROWTH) * GROWTH
    prefix = shape.cache_bytes_per_token * load.prompts * load.prompt
    suffix = shape.cache_bytes_per_token * rows * columns
    prefill = 3 * shape.width * shape.intermediate * load.prompts * load.prompt
    draw = rows * shape.vocabulary * (shape.width + 2 * 4)
    return fixed_bytes(shape) + prefix + max(prefill, suffix + max(draw, suffix // shape.layers))


def fixed_bytes(shape: Shape) -> int:
    """Weights and adapter."""
    return shape.weight_bytes + shape.adapter_bytes


# ----- measuring --------------------------------------------------------------------------------------------------


class LiveBytes(TorchDispatchMode):
    """While active, follows the bytes of all storages that operations return; `peak` is the most alive at once."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.live = self.peak = before
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {id(leaf.untyped_storage()) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and id(leaf.untyped_storage()) not in self._known | given:
                self._note(leaf.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def peak_bytes(model: torch.nn.Module, work: Callable[[], Any]) -> int:
    """Most bytes alive while `work` runs, the model's parameters included."""
    storages = {parameter.untyped_storage().data_ptr(): parameter for parameter in model.parameters()}
    with LiveBytes(sum(parameter.untyped_storage().nbytes() for parameter in storages.values())) as tracked:
        work()
    return tracked.peak


def measure_training(model: Any, shape: Shape, load: Load) -> int:
    """Peak of forward and backward over one group, of as many completions as `load.tokens` hold beside the prompt."""
    row = TrainingRow((2,) * load.prompt, (3,) * load.completion, advantage=1.0, keep=True)
    batch = pack_groups([row] * ((load.tokens - load.prompt) // load.completion), pad_token_id=0, denominator=1.0)
    model.train()
    if load.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=dict(use_reentrant=False))
    scoring = Scoring(temperature=1.0, chunk_bytes=load.chunk_bytes)

    def work() -> None:
        with packed_mode(model):
            score_rows(model, model, batch, scoring)[0].sum().backward()

    peak = peak_bytes(model, work)
    model.zero_grad(set_to_none=True)
    model.gradient_checkpointing_disable()
    return peak


def measure_rollout(model: Any, load: Load) -> int:
    """Peak of sampling a rollout batch of full length."""
    tokenizer = SimpleNamespace(eos_token_id=1, pad_token_id=0, decode=lambda ids, **_: "")
    engine = HFRolloutEngine(model, tokenizer, merge_adapter=False)
    engine.shares_prefixes = True
    prompts = [[2 + index] * load.prompt for index in range(load.prompts)]
    sampling = SamplingParams(load.completion, temperature=1.0, num_samples=load.samples)
    return peak_bytes(model, lambda: engine.generate(prompts, sampling))


def build(shape: Shape) -> Any:
    """A random model of that shape that never ends a completion."""
    from peft import LoraConfig
    from peft import get_peft_model
    from transformers import Qwen2Config
    from transformers import Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_size,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    model = Qwen2ForCausalLM(config)
    adapted = get_peft_model(model, LoraConfig(r=shape.rank, target_modules="all-linear"))
    return adapted.to(torch.bfloat16 if shape.width == 2 else torch.float32)


# ----- what is printed --------------------------------------------------------------------------------------------

SMALL = Shape(layers=4, hidden=256, intermediate=1024, heads=4, key_value_heads=2, vocabulary=4096, head_size=64)
SMALL_LOAD = Load(prompts=4, samples=8, prompt=128, completion=64, tokens=1536, chunk_bytes=1 << 20)
CASES: dict[str, tuple[Shape, Load]] = {
    "small": (SMALL, SMALL_LOAD),
    "float32": (replace(SMALL, width=4), SMALL_LOAD),
    "twice the layers": (replace(SMALL, layers=8), SMALL_LOAD),
    "twice the tokens": (SMALL, replace(SMALL_LOAD, tokens=3072)),
    "without checkpointing": (SMALL, replace(SMALL_LOAD, checkpointing=False)),
    "large vocabulary": (replace(SMALL, vocabulary=32_000), replace(SMALL_LOAD, chunk_bytes=16 << 20)),
    "long completions": (SMALL, replace(SMALL_LOAD, completion=256)),
    "large groups": (SMALL, replace(SMALL_LOAD, samples=32)),
}

QWEN = {
    "0.5B": Shape(24, 896, 4864, heads=14, key_value_heads=2, vocabulary=151_936, head_size=64),
    "1.5B": Shape(28, 1536, 8960, heads=12, key_value_heads=2, vocabulary=151_936),
    "3B": Shape(36, 2048, 11_008, heads=16, key_value_heads=2, vocabulary=151_936),
}
# grpo-qwen-3b.yaml: 64 rows decoded together are 4 prompts x 16 samples.
RECIPE = Load(prompts=4, samples=16, prompt=2048, completion=1024, tokens=8192, chunk_bytes=256 << 20)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON line for each case."""
    parser = argparse.ArgumentParser(description="Peak memory, measured on small models and computed for large ones.")
    parser.add_argument("--table", action="store_true", help="only compute, for Qwen2.5-Coder models")
    cases = computed() if parser.parse_args(arguments).table else (compared(name) for name in CASES)
    for case in cases:
        print(json.dumps(case), flush=True)


def compared(name: str) -> dict[str, Any]:
    """Megabytes measured for one of `CASES`, and what the formula says of it."""
    shape, load = CASES[name]
    model = build(shape)
    measured = dict(training=measure_training(model, shape, load), rollout=measure_rollout(model, load))
    expected = dict(training=training_bytes(shape, load), rollout=rollout_bytes(shape, load))
    return dict(
        result="memory",
        case=name,
        measured_mb={phase: round(size / 1e6, 1) for phase, size in measured.items()},
        computed_mb={phase: round(size / 1e6, 1) for phase, size in expected.items()},
    )


def computed() -> Iterator[dict[str, Any]]:
    """Computed gigabytes for each model with the recipe's load, and for the largest with other loads."""
    loads = {
        "recipe": RECIPE,
        "4 samples": replace(RECIPE, samples=4),
        "completion 2,048": replace(RECIPE, completion=2048),
    }
    loads["8 prompts decoded together"] = replace(RECIPE, prompts=8)
    loads["16,384 tokens trained together"] = replace(RECIPE, tokens=16_384)
    loads["no gradient checkpointing"] = replace(RECIPE, checkpointing=False)
    for size, shape in QWEN.items():
        for name, load in loads.items():
            sizes = dict(training=training_bytes(shape, load), rollout=rollout_bytes(shape, load))
            gigabytes = {phase: round(value / 1e9, 1) for phase, value in sizes.items()}
            yield dict(result="memory", model=size, load=name, computed_gb=gigabytes)


if __name__ == "__main__":
    main()
