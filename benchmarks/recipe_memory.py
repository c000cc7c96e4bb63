# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Memory that each recipe for a real model takes on one of its GPUs, computed: nothing is loaded or measured.

    python benchmarks/recipe_memory.py

Batch and lengths are read from the recipes, the models' shapes stand below, and passes cost what `memory.py` says and
measures. Optimizer: master copy, two moments, 12 bytes a trained number, shared by the ranks of ZeRO-2 with the
gradients. NF4 takes half a byte and a 64th of a double-quantised scale a weight, and one layer at a time is unpacked.
One JSON line for each recipe on stdout, in units of 10^9 bytes. As there: no fragments, no CUDA context.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from memory import Load
from memory import Shape
from memory import rollout_bytes
from memory import training_bytes

PROJECT = Path(__file__).resolve().parent.parent / "projects" / "arctic_text2sql_r1"
LOGITS_BYTES = 256 << 20
NF4_BYTES = 0.5 + 1 / 64 + 1 / 4096
STATE_BYTES = 12


@dataclass(frozen=True)
class Trained(Shape):
    """A model as a recipe trains it: which projections are adapted (none: all weights), in how many bytes it lies."""

    tied: bool = True
    adapted: tuple[str, ...] = ()
    nf4: bool = False

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of a layer's linear maps."""
        return dict(
            q_proj=(self.hidden, self.query),
            k_proj=(self.hidden, self.key_value),
            v_proj=(self.hidden, self.key_value),
            o_proj=(self.query, self.hidden),
            gate_proj=(self.hidden, self.intermediate),
            up_proj=(self.hidden, self.intermediate),
            down_proj=(self.intermediate, self.hidden),
        )

    @property
    def linear(self) -> int:
        """Weights of all layers' linear maps; biases and norms are too few to count."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.projections.values())

    @property
    def parameters(self) -> int:
        return self.linear + (1 if self.tied else 2) * self.vocabulary * self.hidden

    @property
    def weight_bytes(self) -> int:
        embedded = self.width * (self.parameters - self.linear)
        if not self.nf4:
            return embedded + self.width * self.linear
        unpacked = self.width * max(inputs * outputs for inputs, outputs in self.projections.values())
        return embedded + int(NF4_BYTES * self.linear) + unpacked

    @property
    def trained(self) -> int:
        """Numbers that the optimizer moves."""
        if len(self.adapted) == 0:
            return self.parameters
        return self.layers * self.rank * sum(sum(self.projections[name]) for name in self.adapted)

    @property
    def adapter_bytes(self) -> int:
        return self.width * self.trained if len(self.adapted) > 0 else 0


MODELS: dict[str, dict[str, Any]] = {
    "Qwen/Qwen2.5-1.5B-Instruct": dict(layers=28, hidden=1536, intermediate=8960, heads=12, key_value_heads=2),
    "Qwen/Qwen2.5-Coder-3B-Instruct": dict(layers=36, hidden=2048, intermediate=11_008, heads=16, key_value_heads=2),
    "Qwen/Qwen3-4B-Instruct-2507": dict(layers=36, hidden=2560, intermediate=9728, heads=32, key_value_heads=8),
    "meta-llama/Llama-3.1-8B-Instruct": dict(
        layers=32, hidden=4096, intermediate=14_336, heads=32, key_value_heads=8, vocabulary=128_256, tied=False
    ),
    "unsloth/gemma-3-1b-it": dict(
        layers=26, hidden=1152, intermediate=6912, heads=4, key_value_heads=1, vocabulary=262_144, head_size=256
    ),
    "seeklhy/OmniSQL-7B": dict(
        layers=28, hidden=3584, intermediate=18_944, heads=28, key_value_heads=4, vocabulary=152_064, tied=False
    ),
}
# Recipe: how many GPUs its comments name, and what the adapter of the first stage looks like where it starts from one.
RECIPES: dict[str, tuple[int, dict[str, Any]]] = {
    "recipes/rl-text2sql.yaml": (1, {}),
    "grpo-qwen-3b.yaml": (1, {}),
    "recipes/composite-llama-8b.yaml": (2, {}),
    "recipes/sql-rlvr-grpo.yaml": (1, dict(rank=32, adapted=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj",
                                                             "up_proj", "down_proj"))),
    "recipes/gemma-multi-reward.yaml": (1, {}),
    "recipes/paper-7b-full.yaml": (8, {}),
}  # fmt: skip


def main() -> None:
    """Print one JSON line for each recipe."""
    for case in computed():
        print(json.dumps(case), flush=True)


def computed() -> Iterator[dict[str, Any]]:
    """Gigabytes of one GPU by recipe: weights, what training adds to them, and the peaks of its two phases."""
    for name, (gpus, adapter) in RECIPES.items():
        recipe = yaml.safe_load((PROJECT / name).read_text())
        yield dict(result="recipe_memory", recipe=name, gpus=gpus, **_sizes(recipe, gpus, adapter))


def _sizes(recipe: dict[str, Any], gpus: int, adapter: dict[str, Any]) -> dict[str, Any]:
    model, load = _model(recipe["model"], adapter), _load(recipe)
    offloaded = "offload_optimizer" in recipe["deepspeed"]["zero_optimization"]
    states = STATE_BYTES * model.trained // gpus
    # A reference of its own where all weights are trained; gradients in shares (an adapter's are in the pass's peak).
    rest = 0 if len(model.adapted) > 0 else model.weight_bytes + model.width * model.trained // gpus
    rest += 0 if offloaded else states
    peaks = dict(training=training_bytes(model, load), rollout=rollout_bytes(model, load))
    return dict(
        trained=model.trained,
        weights_gb=_gb(model.weight_bytes),
        optimizer_gb=_gb(states),
        optimizer_offloaded=offloaded,
        beside_gb=_gb(rest),
        **{f"{phase}_gb": _gb(size + rest) for phase, size in peaks.items()},
    )


def _model(section: dict[str, Any], adapter: dict[str, Any]) -> Trained:
    peft = section.get("peft_config")
    if peft is not None:
        adapter = dict(rank=peft["r"], adapted=tuple(peft["target_modules"]))
    shape = {"vocabulary": 151_936, **MODELS[section["name_or_path"]], **adapter}
    return Trained(nf4=section.get("type") == "quantized", **shape)


def _load(recipe: dict[str, Any]) -> Load:
    """The largest rollout batch and training pass that the recipe permits."""
    samples, completion = recipe["num_samples_per_prompt"], recipe["max_new_tokens"]
    prompts = recipe["micro_batch_size"] * recipe.get("gradient_accumulation_steps", 1)
    rows = min(prompts * samples, recipe.get("rollout", {}).get("max_batch_rows", prompts * samples))
    return Load(
        prompts=max(1, rows // samples),
        samples=samples,
        prompt=recipe["data"]["max_length"] - completion,
        completion=completion,
        tokens=recipe.get("tokens_per_micro_batch", 8192),
        chunk_bytes=LOGITS_BYTES,
    )


def _gb(size: float) -> float:
    return round(size / 1e9, 1)


if __name__ == "__main__":
    main()
