# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A tokenizer of 64 words, tiny random models over it, and a server that stands for vLLM."""

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.rollout.fake_vllm import FakeVLLM

VOCABULARY = 64


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """Words "w2" ... "w63" separated by spaces; id 0 pads, id 1 ends a sequence."""
    from tokenizers import Tokenizer
    from tokenizers import models
    from tokenizers import pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<eos>", *(f"w{index}" for index in range(2, VOCABULARY))]
    backend = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="w2"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>", pad_token="<pad>")


@pytest.fixture
def fake_vllm() -> Iterator[FakeVLLM]:
    """A server of the test's own."""
    server = FakeVLLM()
    yield server
    server.close()


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Any]:
    """The function below."""
    return _make_model


@pytest.fixture
def model() -> Any:
    """A fresh model over the whole vocabulary."""
    return _make_model()


def _make_model(vocabulary: int = VOCABULARY, spread: float = 0.3) -> Any:
    """A random Qwen2; a larger `spread` makes its distributions more peaked."""
    from transformers import Qwen2Config
    from transformers import Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
        tie_word_embeddings=False,
        initializer_range=spread,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    return Qwen2ForCausalLM(config).eval()
