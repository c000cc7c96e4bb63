# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Builds the demo's language model: Qwen2's architecture, about a million random weights, a tokenizer of its own.

Deterministic: the same corpus and seed give the same files. The tokenizer keeps SQL identifiers and numbers whole, so
that a small model can copy them. Training it is `sft-tiny.yaml`'s job, then `grpo-tiny.yaml`'s.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

VOCABULARY = 2048
PAD = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
TAGS = ("<think>", "</think>", "<answer>", "</answer>")

# Identifiers with underscores and numbers are pieces of their own, everything else is split at character classes.
PIECES = r" ?[\p{L}_]+| ?\d+| ?[^\s\p{L}\d_]|\s"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def build_tiny_model(corpus: Iterable[str], out: Path, seed: int = 0, hidden_size: int = 128, layers: int = 4) -> int:
    """Writes tokenizer and model to `out`, loadable by `from_pretrained`; returns the number of parameters."""
    import torch
    from transformers import GenerationConfig
    from transformers import Qwen2Config
    from transformers import Qwen2ForCausalLM

    tokenizer = build_tokenizer(corpus)
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=hidden_size,
        intermediate_size=3 * hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = Qwen2ForCausalLM(config)
    initialize_attention(model)
    model.generation_config = GenerationConfig(
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id], pad_token_id=tokenizer.pad_token_id
    )
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(out)
    model.save_pretrained(out)
    return sum(parameter.numel() for parameter in model.parameters())


def initialize_attention(model) -> None:  # type: ignore[no-untyped-def]  # transformers is imported inside
    """Random attention weights that already compare and copy a little: queries like keys, outputs like values.

    A model of this size takes most of its training to discover that equal tokens belong together; starting there
    halves the warm-up. Source: mimetic initialization, arXiv 2305.09828.
    """
    import torch

    config = model.config
    width, sharing = config.hidden_size, config.num_attention_heads // config.num_key_value_heads
    head_size = width // config.num_attention_heads
    with torch.no_grad():
        for layer in model.model.layers:
            attention = layer.self_attn
            attention.k_proj.weight.normal_(std=0.7 * width**-0.5)
            attention.v_proj.weight.normal_(std=width**-0.5)
            keys = attention.k_proj.weight.view(-1, head_size, width).repeat_interleave(sharing, dim=0)
            values = attention.v_proj.weight.view(-1, head_size, width).repeat_interleave(sharing, dim=0)
            noise = 0.3 * width**-0.5 * torch.randn(width, width)
            attention.q_proj.weight.copy_(keys.reshape(width, width) + noise)
            attention.o_proj.weight.copy_(0.5 * values.reshape(width, width).T)


def build_tokenizer(corpus: Iterable[str]):  # type: ignore[no-untyped-def]  # transformers is imported inside
    """A byte-level BPE tokenizer with ChatML turns, trained on `corpus`; any text survives a round trip."""
    from tokenizers import AddedToken
    from tokenizers import Regex
    from tokenizers import Tokenizer
    from tokenizers import decoders
    from tokenizers import models
    from tokenizers import pre_tokenizers
    from tokenizers import trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(TAGS),
        special_tokens=[PAD, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    # Not "special": decoding must keep the tags, since the completion parser reads them.
    tokenizer.add_tokens([AddedToken(tag, normalized=False, special=False) for tag in TAGS])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=TURN_END,
        pad_token=PAD,
        clean_up_tokenization_spaces=False,
        model_max_length=4096,
        model_input_names=["input_ids", "attention_mask"],
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True, help="supervised dataset folder with `messages`")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    options = parser.parse_args()

    from datasets import load_from_disk

    texts = (message["content"] for row in load_from_disk(str(options.corpus)) for message in row["messages"])
    count = build_tiny_model(texts, options.out, options.seed, options.hidden_size, options.layers)
    print(f"wrote {options.out}: Qwen2, {count:,} parameters, vocabulary {VOCABULARY}")


if __name__ == "__main__":
    main()
