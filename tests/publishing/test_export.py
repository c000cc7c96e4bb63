# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""An exported model is the policy that was trained: same tokens, weights rounded once, over the base of training."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from arctic_text2sql_r1.cli import main
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.evaluation.models import load_policy
from arctic_text2sql_r1.evaluation.models import require_intact
from arctic_text2sql_r1.publishing.export import ExportOptions
from arctic_text2sql_r1.publishing.export import export
from tests.publishing.conftest import PROJECTIONS
from tests.publishing.conftest import RECORD
from tests.publishing.conftest import build_adapter
from tests.publishing.conftest import build_base

pytestmark = pytest.mark.slow

ARCHITECTURES = ["Qwen2", *(pytest.param(name, marks=pytest.mark.slow) for name in ("Llama", "Qwen3", "Gemma3"))]
IDS = torch.arange(5, 25).unsqueeze(0)


def greedy(model: Any) -> list[int]:
    tokens: list[int] = model.generate(IDS, max_new_tokens=24, do_sample=False, eos_token_id=None)[0].tolist()
    return tokens


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits
    return found


def plain(folder: Path, **options: Any) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, **options).eval()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_float32_export_writes_the_same_tokens_as_base_and_adapter(
    tmp_path: Path, architecture: str, tied: bool
) -> None:
    base = build_base(tmp_path / "base", architecture, tie_word_embeddings=tied)
    adapter = build_adapter(base, tmp_path / "adapter")
    export(ExportOptions(adapter, tmp_path / "merged", dtype="float32"))
    exported, policy = plain(tmp_path / "merged", dtype=torch.float32), load_policy(str(adapter)).model
    assert greedy(exported) == greedy(policy) != greedy(load_policy(str(base)).model)
    torch.testing.assert_close(logits(exported), logits(policy), rtol=1e-4, atol=1e-4)
    assert exported.config.tie_word_embeddings == tied


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_bfloat16_export_is_as_near_to_the_policy_as_bfloat16_can_be(tmp_path: Path, architecture: str) -> None:
    adapter = build_adapter(build_base(tmp_path / "base", architecture), tmp_path / "adapter")
    export(ExportOptions(adapter, tmp_path / "merged"))
    exact, rounded = (logits(load_policy(str(adapter), dtype=dtype).model) for dtype in ("float32", "bfloat16"))
    exported = logits(plain(tmp_path / "merged", dtype="auto"))
    assert exported.dtype == torch.bfloat16
    assert float((exported - exact).norm()) < 1.5 * float((rounded - exact).norm())


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_adapter_on_one_of_two_tied_embeddings_stays_on_that_one(tmp_path: Path, target: str) -> None:
    base = build_base(tmp_path / "base", tie_word_embeddings=True)
    adapter = build_adapter(base, tmp_path / "adapter", targets=[*PROJECTIONS, target])
    export(ExportOptions(adapter, tmp_path / "merged", dtype="float32"))
    exported, policy = plain(tmp_path / "merged", dtype=torch.float32), load_policy(str(adapter)).model
    torch.testing.assert_close(logits(exported), logits(policy), rtol=1e-3, atol=1e-3)


def test_bfloat16_export_rounds_the_sum_once(adapter: Path, tmp_path: Path) -> None:
    export(ExportOptions(adapter, tmp_path / "merged"))
    layer = load_policy(str(adapter)).model.base_model.model.model.layers[0].self_attn.q_proj
    expected = layer.get_base_layer().weight + layer.get_delta_weight("default")
    exported = plain(tmp_path / "merged", dtype=torch.float32).model.layers[0].self_attn.q_proj.weight
    assert torch.equal(exported, expected.bfloat16().float())


def test_adapter_over_nf4_is_exported_as_it_was_trained(base_model: Path, tmp_path: Path) -> None:
    adapter = build_adapter(base_model, tmp_path / "adapter", record=dict(RECORD, quantization="nf4"))
    policy = load_policy(str(adapter)).model
    export(ExportOptions(adapter, tmp_path / "trained", dtype="float32"))
    export(ExportOptions(adapter, tmp_path / "original", dtype="float32", original_base=True))
    # through our own loader, which would quantise what its record calls quantised
    trained, original = (load_policy(str(tmp_path / name)).model for name in ("trained", "original"))
    assert greedy(trained) == greedy(policy)
    torch.testing.assert_close(logits(trained), logits(policy), rtol=1e-4, atol=1e-4)
    assert float((logits(original) - logits(policy)).abs().max()) > 1e-3
    assert "not measured" in (tmp_path / "original" / "README.md").read_text()


def test_fully_trained_model_is_exported_in_the_dtype_that_is_asked_for(base_model: Path, tmp_path: Path) -> None:
    step = build_base(tmp_path / "run_1" / "step_000020", tie_word_embeddings=True)
    (step / "text2sql_r1.json").write_text(json.dumps(RECORD))
    export(ExportOptions(step, tmp_path / "out"))
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"
    exported = plain(tmp_path / "out", dtype="auto")
    assert torch.equal(exported.lm_head.weight, plain(step).lm_head.weight.bfloat16())
    assert "All weights of `base`" in (tmp_path / "out" / "README.md").read_text()


def test_bare_adapter_is_the_same_policy_and_names_no_path(step: Path, base_model: Path, tmp_path: Path) -> None:
    export(ExportOptions(step, tmp_path / "out", adapter_only=True))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "README.md"}
    assert not names & {"resume", "optimizer.pt", ".env"}
    text = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert str(base_model.parent).encode() not in text and b"/somewhere" not in text
    policy = load_policy(str(tmp_path / "out"), base_model=str(base_model)).model
    assert torch.equal(logits(policy), logits(load_policy(str(step)).model))


def test_nothing_of_this_machine_is_in_a_merged_export(step: Path, tmp_path: Path) -> None:
    export(ExportOptions(step, tmp_path / "out"))
    text = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert b"/somewhere" not in text and str(tmp_path).encode() not in text


def test_the_command_writes_a_folder_with_everything_to_serve_it(
    step: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", "--adapter", str(step.parent / "last"), "--out", str(tmp_path / "merged")]
    assert main(command) == 0
    told = capsys.readouterr()
    assert "merged into its base" in told.out
    assert "weights in bfloat16" in told.err
    names = {path.name for path in (tmp_path / "merged").iterdir()}
    assert names >= {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "README.md"}
    require_intact(tmp_path / "merged")
    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err


def test_folder_that_is_there_and_empty_is_filled(step: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export(ExportOptions(step, tmp_path / "out", adapter_only=True))
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()


def test_failed_export_leaves_nothing(step: Path, tmp_path: Path) -> None:
    (step / "tokenizer.json").write_text("no tokenizer")
    with pytest.raises(ModelError, match="Cannot load the tokenizer"):
        export(ExportOptions(step, tmp_path / "place" / "out"))
    assert list((tmp_path / "place").iterdir()) == []


@pytest.mark.slow
def test_export_that_is_killed_leaves_nothing_under_the_name_and_can_be_repeated(step: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal, transformers\n"
        "from arctic_text2sql_r1.cli import main\n"
        "save = transformers.PreTrainedModel.save_pretrained\n"
        "def die(*a, **k): save(*a, **k); os.kill(os.getpid(), signal.SIGKILL)\n"
        "transformers.PreTrainedModel.save_pretrained = die\n"
        f"main(['export', '--adapter', {str(step)!r}, '--out', {str(tmp_path / 'out')!r}])"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), timeout=120)
    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    with pytest.raises(ModelError, match="not a whole model: its name ends in .incomplete"):
        export(ExportOptions(tmp_path / "out.incomplete", tmp_path / "again"))
    export(ExportOptions(step, tmp_path / "out"))
    assert not (tmp_path / "out.incomplete").exists()


def test_damaged_checkpoint_is_refused(step: Path, tmp_path: Path) -> None:
    digest = dict(size=1, sha256="0" * 64)
    (step / "manifest.json").write_text(json.dumps({"adapter_model.safetensors": digest}))
    with pytest.raises(ModelError, match="is damaged: 'adapter_model.safetensors' has .* bytes, expected 1"):
        export(ExportOptions(step, tmp_path / "out"))
    (step / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match="manifest.json' is missing or unreadable"):
        export(ExportOptions(step, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_what_is_no_live_adapter_is_not_exported(base_model: Path, adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file
    from safetensors.torch import save_file

    with pytest.raises(ModelError, match="nothing to merge"):
        export(ExportOptions(base_model, tmp_path / "merged"))
    tensors = load_file(adapter / "adapter_model.safetensors")
    save_file({name: tensor * 0 for name, tensor in tensors.items()}, adapter / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="All 14 lora_B tensors"):
        export(ExportOptions(adapter, tmp_path / "merged"))


def test_exported_folder_is_not_exported_again(step: Path, tmp_path: Path) -> None:
    export(ExportOptions(step, tmp_path / "out"))
    with pytest.raises(ModelError, match="was exported already"):
        export(ExportOptions(tmp_path / "out", tmp_path / "again"))


def test_weights_that_a_dtype_cannot_hold_are_an_error(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base")
    adapter = build_adapter(base, tmp_path / "adapter")
    model = plain(base)
    with torch.no_grad():
        model.model.norm.weight.fill_(1e6)  # float16 ends at 65,504
    model.save_pretrained(base)
    with pytest.raises(ModelError, match="1 tensors of .* are not finite in float16, first 'model.norm.weight'"):
        export(ExportOptions(adapter, tmp_path / "merged", dtype="float16"))


def test_bare_adapter_needs_no_base_and_no_time(step: Path, tmp_path: Path) -> None:
    settings = json.loads((step / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = "ada/not-here-30b"
    (step / "adapter_config.json").write_text(json.dumps(settings))
    start = time.monotonic()
    export(ExportOptions(step, tmp_path / "out", adapter_only=True))
    assert time.monotonic() - start < 5
    assert "base_model: ada/not-here-30b" in (tmp_path / "out" / "README.md").read_text()
