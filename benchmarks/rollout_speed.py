# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Measures the `hf` rollout engine against transformers' `generate` on the same prompts, as a ratio of CPU seconds.

    python benchmarks/rollout_speed.py [--layers 4] [--width 256] [--prompts 8] [--samples 8] [--prompt-tokens 256]
                                       [--new-tokens 96] [--mean-tokens N] [--rounds N]

The model is a random Qwen2 of float32 with LoRA (r 16) on every linear layer, one thread. Each prompt is completed
`--samples` times with exactly `--new-tokens` tokens, or, with `--mean-tokens`, with lengths of about that mean and at
most `--new-tokens`: then an end-of-sequence token is sampled as often as that takes. Both ways run in one process,
turn by turn; the fastest round of each counts. One JSON line on stdout.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

VOCABULARY, END = 4096, 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description="Cost of sampling completions, against transformers' generate.")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256, help="hidden size; the MLP is three times as wide")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=8, help="completions of each prompt")
    parser.add_argument("--prompt-tokens", type=int, default=256, help="mean; lengths are within an eighth of it")
    parser.add_argument("--new-tokens", type=int, default=96)
    parser.add_argument("--mean-tokens", type=int, help="mean completion length; unset: all have --new-tokens")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args(arguments)
    # Before torch is imported: one thread, so that CPU seconds are comparable.
    os.environ["OMP_NUM_THREADS"] = "1"
    print(json.dumps(measure(options)), flush=True)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds of both ways, their ratio and how long the completions were."""
    import torch

    from arctic_text2sql_r1.rollout.base import SamplingParams
    from arctic_text2sql_r1.rollout.hf import HFRolloutEngine

    torch.set_num_threads(1)
    model = build_model(options)
    tokenizer = SimpleNamespace(eos_token_id=END, pad_token_id=0, decode=lambda ids, **_: "")
    generator = torch.Generator().manual_seed(0)
    low, high = options.prompt_tokens - options.prompt_tokens // 8, options.prompt_tokens + options.prompt_tokens // 8
    lengths = torch.randint(low, high + 1, (options.prompts,), generator=generator).tolist()
    prompts = [torch.randint(2, VOCABULARY, (length,), generator=generator).tolist() for length in lengths]
    sampling = SamplingParams(options.new_tokens, temperature=1.0, num_samples=options.samples, seed=7)
    engines = dict(engine=HFRolloutEngine(model, tokenizer), generate=HFRolloutEngine(model, tokenizer))
    engines["generate"].shares_prefixes = False
    engines["engine"].generate(prompts[:1], SamplingParams(max_new_tokens=1))
    if not engines["engine"].shares_prefixes:
        raise SystemExit("The engine does not decode this model itself, so there is nothing to compare.")
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    mean_lengths: dict[str, float] = {}
    for _ in range(options.rounds):
        for name, engine in engines.items():
            started = time.process_time()
            rows = [row for group in engine.generate(prompts, sampling) for row in group]
            seconds[name].append(time.process_time() - started)
            mean_lengths[name] = sum(len(row.token_ids) for row in rows) / len(rows)
    best = {name: min(values) for name, values in seconds.items()}
    return dict(
        result="rollout_speed",
        **vars(options),
        engine_cpu_s=round(best["engine"], 2),
        generate_cpu_s=round(best["generate"], 2),
        ratio=round(best["generate"] / best["engine"], 2),
        mean_length={name: round(value, 1) for name, value in mean_lengths.items()},
        load=round(os.getloadavg()[0], 1),
    )


def qwen2_config(layers: int, width: int, **token_ids: int | None) -> Any:
    """The shape that the benchmarks share: heads of 64, two query heads for each key-value head, a wide MLP."""
    from transformers import Qwen2Config

    heads = max(2, width // 64)
    return Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        bos_token_id=None,
        **token_ids,
    )


def build_model(options: argparse.Namespace) -> Any:
    """A random Qwen2 with LoRA whose end-of-sequence token is as likely as the wanted mean length takes."""
    import torch
    from peft import LoraConfig
    from peft import get_peft_model
    from transformers import Qwen2ForCausalLM

    torch.manual_seed(0)
    config = qwen2_config(options.layers, options.width, eos_token_id=END, pad_token_id=0)
    model = Qwen2ForCausalLM(config)
    set_end_probability(model, end_probability(options.mean_tokens, options.new_tokens))
    adapted = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return adapted.eval()


def end_probability(mean: int | None, most: int) -> float:
    """p with which lengths, geometric and cut at `most`, have that mean; 0 when nothing is to end early."""
    if mean is None:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(60):
        p = (low + high) / 2
        found = (1 - (1 - p) ** most) / p  # mean of a geometric length cut at `most`
        low, high = (p, high) if found > mean else (low, p)
    return (low + high) / 2


def set_end_probability(model: Any, p: float) -> None:
    """The logits of a small random model are nearly 0, so a bias alone makes a token about as likely as wanted."""
    import torch

    bias = torch.zeros(VOCABULARY)
    bias[END] = -1e9 if p == 0 else float(torch.tensor(p * (VOCABULARY - 1) / (1 - p)).log())
    head = torch.nn.Linear(model.config.hidden_size, VOCABULARY, bias=True)
    head.weight = model.lm_head.weight
    head.weight.data[END] = 0.0
    head.bias = torch.nn.Parameter(bias)
    model.lm_head = head


if __name__ == "__main__":
    main()
