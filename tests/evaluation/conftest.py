# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Tiny models with random weights, LoRA adapters on them, and outcomes made by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.evaluation.metrics import Outcome
from arctic_text2sql_r1.evaluation.predict import Prediction
from arctic_text2sql_r1.types import ExecutionResult
from arctic_text2sql_r1.types import ExecutionStatus
from arctic_text2sql_r1.types import Text2SQLExample
from arctic_text2sql_r1.types import Verdict

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def character_tokenizer() -> Any:
    """One token per ASCII character, so that any text can be written and read."""
    from tokenizers import Regex
    from tokenizers import Tokenizer
    from tokenizers import decoders
    from tokenizers import models
    from tokenizers import pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {token: index for index, token in enumerate([*special, "\n", *map(chr, range(32, 127))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=special,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


@pytest.fixture
def tokenizer() -> Any:
    """The tokenizer of `base_model`, for tests without a model."""
    return character_tokenizer()


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with tokenizer and chat template, context 2048."""
    from transformers import Qwen2Config
    from transformers import Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("models") / "base"
    tokenizer = character_tokenizer()
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def save_adapter() -> Callable[..., Path]:
    """The function below, for tests that need a particular adapter."""
    return _save_adapter


def _save_adapter(base: Path, folder: Path, lora_b: float) -> Path:
    """A LoRA adapter on `base` whose lora_B values all equal `lora_b`."""
    from peft import LoraConfig
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=2, target_modules=["q_proj", "v_proj"])
    )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.fill_(lora_b)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def adapter(base_model: Path, tmp_path: Path) -> Path:
    """A live adapter."""
    return _save_adapter(base_model, tmp_path / "adapter", lora_b=0.5)


@pytest.fixture(scope="session")
def outcome() -> Callable[..., Outcome]:
    """The function below, for tests of figures that need no SQL."""
    return _outcome


def _outcome(
    example_id: str,
    correct: bool | None,
    status: ExecutionStatus | None = ExecutionStatus.OK,
    completion: str = "text",
    difficulty: str = "",
    db_id: str = "db",
    sample: int = 0,
    problem: str | None = None,
    truncated: bool = False,
) -> Outcome:
    """`correct` None stands for a gold that failed; `status` None for a completion without SQL."""
    sql = None if status is None else "SELECT 1"
    gold = ExecutionStatus.SCHEMA_ERROR if correct is None else ExecutionStatus.OK
    result = None if status is None else ExecutionResult(status=status)
    return Outcome(
        example=Text2SQLExample(
            example_id=example_id, db_id=db_id, question="?", gold_sql="SELECT 1", db_path="", difficulty=difficulty
        ),
        prediction=Prediction(
            example_id=example_id,
            sample=sample,
            completion=completion,
            prediction=sql,
            problem=problem,
            truncated=truncated,
            prompt_tokens=1,
            completion_tokens=1,
        ),
        verdict=Verdict(prediction=sql, result=result, gold=ExecutionResult(status=gold), correct=correct),
    )
