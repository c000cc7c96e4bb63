# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Tiny models of four architectures with adapters on them, records of their training, and a hub on this machine."""

import json
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.conftest import character_tokenizer
from tests.publishing.hub_server import TOKEN
from tests.publishing.hub_server import HubServer

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RECORD = dict(
    base_model="/somewhere/base",
    template="arctic",
    template_version=1,
    long_prompts="drop",
    parser="lenient",
    max_new_tokens=24,
    global_step=20,
    execution_accuracy=None,
    seed=1,
    dtype="float32",
    quantization=None,
    starting_adapter=None,
    starting_adapter_sha256=None,
    metrics_log="/somewhere/metrics.jsonl",
)
TRAINING = dict(
    objective="grpo: baseline mean, scaling group, ratio token",
    prompts_per_rollout=8,
    num_samples_per_prompt=4,
    updates_per_rollout=1,
    dynamic_sampling=0,
    temperature=0.8,
    kl_coef=0.001,
    optimizer="FusedAdam",
    learning_rate=1e-5,
    scheduler="constant",
    scheduled_updates=40,
    rewards=[dict(name="execution", weight=1.0, options={})],
    compare="default",
    sql_timeout_s=5.0,
    engine="hf",
    peft=dict(peft_type="Lora", r=2, lora_alpha=8, target_modules=PROJECTIONS),
    trainable_parameters=100,
    parameters=1000,
    reward_mean=0.5,
    hardware="1 x CPU",
)
DATA = dict(
    sources=[dict(name="train.json")],
    questions=100,
    max_length=256,
    eval_sources=[],
    eval_questions=None,
    evaluation=None,
)


def build_base(folder: Path, architecture: str = "Qwen2", **options: Any) -> Path:
    """A random model with tokenizer and chat template; `options` go to its configuration."""
    import torch
    import transformers

    tokenizer = character_tokenizer()
    names = dict(Gemma3=("Gemma3TextConfig", "Gemma3ForCausalLM"))
    config_name, model_name = names.get(architecture, (f"{architecture}Config", f"{architecture}ForCausalLM"))
    torch.manual_seed(0)
    config = getattr(transformers, config_name)(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=2048,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **options,
    )
    model = getattr(transformers, model_name)(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3.0)  # logits far enough apart that rounding to bfloat16 rarely turns two of them round
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_adapter(base: Path, folder: Path, targets: list[str] = PROJECTIONS, record: Any = RECORD) -> Path:
    """A live adapter of random weights on `base`, as a run saves it."""
    import torch
    from peft import LoraConfig
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=2, target_modules=targets))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.3)
    model.save_pretrained(folder)
    character_tokenizer().save_pretrained(folder)
    if record is not None:
        (folder / "text2sql_r1.json").write_text(json.dumps(dict(record, base_model=str(base))))
    return folder


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 with tied embeddings."""
    return build_base(tmp_path_factory.mktemp("models") / "base", tie_word_embeddings=True)


@pytest.fixture
def adapter(base_model: Path, tmp_path: Path) -> Path:
    """A live adapter without a record, as other trainers save it."""
    return build_adapter(base_model, tmp_path / "adapter", record=None)


@pytest.fixture
def step(base_model: Path, tmp_path: Path) -> Path:
    """A step of a run: adapter, record, what training continues from, and logs beside it."""
    run = tmp_path / "runs" / "demo" / "run_1"
    folder = build_adapter(base_model, run / "step_000020", record=dict(RECORD, training=TRAINING, data=DATA))
    (folder / "resume").mkdir()
    (folder / "resume" / "state.json").write_text("{}")
    (folder / "optimizer.pt").write_bytes(b"states")
    (folder / ".env").write_text(f"HF_TOKEN={TOKEN}\n")
    (run / "last").symlink_to("step_000020")
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    """A hub of the test's own, which the library in this process talks to, with a token."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _http

    with HubServer() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)  # the library's own pauses
        _http.reset_sessions()
        yield server
    _http.reset_sessions()


@pytest.fixture(scope="session")
def evaluation_of() -> Callable[..., dict[str, Any]]:
    """The function below."""
    return _evaluation_of


def _evaluation_of(sha256: str | None, trained_with: Any = None, right: int = 30) -> dict[str, Any]:
    """A comparison.json of 40 questions in which the trained model has that adapter."""
    found = dict(dtype="float32", device="cpu", n=40, valid_sql=1.0, base="base")
    baseline = dict(
        found, model="/somewhere/base", adapter=None, trained_with=None, right=10, ex=0.25, ci95=[0.1, 0.4]
    )
    trained = dict(found, model="/somewhere/last", adapter=None if sha256 is None else dict(sha256=sha256))
    trained.update(trained_with=trained_with, right=right, ex=right / 40, ci95=[0.6, 0.86])
    return dict(
        baseline=baseline,
        trained=trained,
        **dict(n=40, difference=right / 40 - 0.25, ci95=[0.3, 0.7], p_value=0.001, wins=20, losses=0),
        dataset=dict(name="dev", path="/somewhere/dev.json", sha256="0" * 64, questions=40),
        mode="default",
        template=dict(name="arctic", version=1),
        parser="lenient",
        decoding=dict(temperature=0.0, num_samples=1, max_new_tokens=24, batch_rows=8),
        seed=1,
        timeout_s=5.0,
        versions=dict(torch="2.13.0"),
        date="2026-01-02T03:04:05+00:00",
        also={},
    )
