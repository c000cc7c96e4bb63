# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Models of the recipes' architectures with a hundred thousand random weights: Qwen2, Llama 3, Qwen3 and Gemma 3.

`build_tiny` writes one with a tokenizer and a chat template that behave like those of its family: a beginning of
sequence that tokenizing text adds and chat text holds already (Llama, Gemma), no padding token (Llama), a system
message that is put into the first turn (Gemma), several tokens that end a turn. Shapes keep what makes an
architecture special: heads wider than the model, tied embeddings, scaled rotary positions, windows in most layers.

A random model would write noise for ever. Here one column of the embeddings favours a few tokens in every context:
those that end a turn, and some that stand for a whole completion, so that completions are short and rewards differ.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
from typing import Any

from arctic_text2sql_r1.prompts.templates import build_messages
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.types import Text2SQLExample

TRAINING_DATA = Path(__file__).resolve().parent.parent / "projects" / "arctic_text2sql_r1" / "training_data"
VOCABULARY = 2048
HIDDEN = 64  # NF4 works on blocks of 64 weights
# Whole completions in the formats of the templates; the second one goes on from a thought that the prompt has opened.
PHRASES = (
    "SELECT 1",
    "all</think><answer>SELECT 1</answer>",
    "<think>all</think><answer>SELECT 1</answer>",
    "<start_working_out>all<end_working_out><SOLUTION>SELECT 1</SOLUTION>",
)

CHATML = (
    "{%- if messages[0]['role'] != 'system' %}DEFAULT{% endif -%}"
    "{%- for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}"
    "{{ '<|im_end|>\n' }}{% endfor -%}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}"
)
LLAMA = (
    "{{- bos_token }}{{- '<|start_header_id|>system<|end_header_id|>\n\n' }}"
    "{{- 'Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n' }}"
    "{%- if messages[0]['role'] == 'system' %}"
    "{{- messages[0]['content'] | trim }}{%- set turns = messages[1:] %}"
    "{%- else %}{%- set turns = messages %}{% endif %}{{- '<|eot_id|>' }}"
    "{%- for turn in turns %}{{- '<|start_header_id|>' + turn['role'] + '<|end_header_id|>\n\n' }}"
    "{{- (turn['content'] | trim) + '<|eot_id|>' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{- bos_token }}"
    "{%- if messages[0]['role'] == 'system' %}"
    "{%- set opening = messages[0]['content'] + '\n\n' %}{%- set turns = messages[1:] %}"
    "{%- else %}{%- set opening = '' %}{%- set turns = messages %}{% endif %}"
    "{%- for turn in turns %}"
    "{%- if (loop.index0 % 2 == 0) != (turn['role'] == 'user') %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{{- '<start_of_turn>' + ('model' if turn['role'] == 'assistant' else turn['role']) + '\n' }}"
    "{{- (opening if loop.first else '') + (turn['content'] | trim) + '<end_of_turn>\n' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{- '<start_of_turn>model\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Family:
    """What `build_tiny` has to know of an architecture; `ends` are the tokens that end a completion."""

    architecture: str
    chat_template: str
    special: tuple[str, ...]
    ends: tuple[str, ...]
    eos: str
    bos: str | None = None
    pad: str | None = None
    sentence_pieces: bool = False
    options: dict[str, Any] = field(default_factory=dict)


_TURNS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_QWEN3 = Family(
    architecture="Qwen3",
    chat_template=CHATML.replace("DEFAULT", ""),
    special=_TURNS,
    ends=("<|im_end|>", "<|endoftext|>"),
    eos="<|im_end|>",
    pad="<|endoftext|>",
    # As in the 4B: queries are twice as wide as the model.
    options=dict(num_attention_heads=4, num_key_value_heads=2, head_dim=32, tie_word_embeddings=True),
)
FAMILIES = {
    "qwen3": _QWEN3,
    "qwen2": replace(
        _QWEN3,
        architecture="Qwen2",
        chat_template=CHATML.replace("DEFAULT", "{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}"),
        options=dict(num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True),
    ),
    "llama": Family(
        architecture="Llama",
        chat_template=LLAMA,
        special=(
            *("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
            *("<|eom_id|>", "<|eot_id|>"),
        ),
        ends=("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"),
        eos="<|eot_id|>",
        bos="<|begin_of_text|>",
        options=dict(
            num_attention_heads=4,
            num_key_value_heads=2,
            rope_theta=500000.0,
            rope_scaling=dict(
                rope_type="llama3",
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=8192,
            ),
        ),
    ),
    "gemma3": Family(
        architecture="Gemma3",
        chat_template=GEMMA,
        special=("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"),
        ends=("<eos>", "<end_of_turn>"),
        eos="<eos>",
        bos="<bos>",
        pad="<pad>",
        sentence_pieces=True,
        # The window is shorter than any prompt here, as 512 is shorter than many prompts of the real model.
        options=dict(
            num_attention_heads=4,
            num_key_value_heads=1,
            head_dim=32,
            query_pre_attn_scalar=32,
            num_hidden_layers=3,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
            sliding_window=32,
        ),
    ),
}


def build_tiny(kind: str, folder: Path) -> Path:
    """Writes a random model of the family `kind`, a key of `FAMILIES`, and its tokenizer; returns `folder`."""
    import torch
    import transformers
    from transformers import GenerationConfig

    family = FAMILIES[kind]
    tokenizer = build_tokenizer(family)
    ids = {name: None if token is None else tokenizer.convert_tokens_to_ids(token) for name, token in
           dict(bos_token_id=family.bos, eos_token_id=family.eos, pad_token_id=family.pad).items()}  # fmt: skip
    shapes = dict(hidden_size=HIDDEN, intermediate_size=3 * HIDDEN, num_hidden_layers=2, max_position_embeddings=32768)
    config_class = getattr(transformers, family.architecture + ("TextConfig" if kind == "gemma3" else "Config"))
    torch.manual_seed(0)
    model = getattr(transformers, f"{family.architecture}ForCausalLM")(
        config_class(vocab_size=len(tokenizer), **{**shapes, **family.options}, **ids)
    )
    ends = tokenizer.convert_tokens_to_ids(list(family.ends))
    # Ends a little more: with tied embeddings a token's state is likest to itself, and a phrase would go on and on.
    favour(model, {4.3: ends, 4.0: tokenizer.convert_tokens_to_ids(list(PHRASES))})
    # As the real ones do, it names settings that would make the sampler another policy than the one that is trained.
    model.generation_config = GenerationConfig(
        **{**ids, "eos_token_id": ends}, do_sample=True, top_k=20, top_p=0.8, temperature=0.7
    )
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def favour(model: Any, leanings: dict[float, list[int]]) -> None:
    """Makes tokens likely in every context: their output embeddings lean towards what all states have in common.

    Embeddings are spread so that distributions are far from uniform.
    """
    import torch

    with torch.no_grad():
        for embedding in {id(e): e for e in (model.get_input_embeddings(), model.get_output_embeddings())}.values():
            embedding.weight.normal_(std=HIDDEN**-0.5)
            embedding.weight[:, 0] = 0.25
        for leaning, token_ids in leanings.items():
            model.get_output_embeddings().weight[token_ids, 0] = leaning


def build_tokenizer(family: Family) -> Any:
    """A tokenizer of about `VOCABULARY` tokens trained on prompts of our data; any text survives a round trip."""
    from tokenizers import AddedToken
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    backend = _sentence_pieces(family) if family.sentence_pieces else _byte_level(family)
    # Not special: decoding must keep them, since parsers read them.
    backend.add_tokens([AddedToken(phrase, normalized=False, special=False) for phrase in PHRASES])
    if family.bos is not None:
        # What tokenizing plain text puts in front, and chat text has already.
        start = (family.bos, backend.token_to_id(family.bos))
        backend.post_processor = processors.TemplateProcessing(f"{family.bos} $A", special_tokens=[start])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=family.bos,
        eos_token=family.eos,
        pad_token=family.pad,
        clean_up_tokenization_spaces=family.architecture == "Llama",
        model_max_length=32768,
        model_input_names=["input_ids", "attention_mask"],
    )
    tokenizer.chat_template = family.chat_template
    return tokenizer


def _corpus() -> Iterator[str]:
    """Prompts of three templates, and golds."""
    rows = json.loads((TRAINING_DATA / "train.json").read_text())
    for row in rows:
        database = TRAINING_DATA / "databases" / row["db_id"] / f"{row['db_id']}.sqlite"
        example = Text2SQLExample(
            example_id="",
            question=row["question"],
            gold_sql=row["gold_sql"],
            db_id=row["db_id"],
            db_path=str(database),
        )
        for template in ("plain", "arctic/omnisql", "solution"):
            yield from (message["content"] for message in build_messages(get_template(template), example))
        yield row["gold_sql"]


def _byte_level(family: Family) -> Any:
    from tokenizers import Tokenizer
    from tokenizers import decoders
    from tokenizers import models
    from tokenizers import pre_tokenizers
    from tokenizers import trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(family.special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_corpus(), trainer)
    return backend


def _sentence_pieces(family: Family) -> Any:
    """Blanks are written as "▁", and what has no piece is spelt in bytes."""
    from tokenizers import Regex
    from tokenizers import Tokenizer
    from tokenizers import decoders
    from tokenizers import models
    from tokenizers import normalizers
    from tokenizers import pre_tokenizers
    from tokenizers import trainers

    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"▁?[^▁\s]+|\s|▁"), "isolated")
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 256, special_tokens=list(family.special), show_progress=False
    )
    backend.train_from_iterator(_corpus(), trainer)
    trained = json.loads(backend.to_str())["model"]
    vocabulary = dict(trained["vocab"])
    vocabulary.update({f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)})
    merges = [tuple(pair) for pair in trained["merges"]]
    backend.model = models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True, fuse_unk=True)
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return backend
