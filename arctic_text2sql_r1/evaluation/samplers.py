# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A fixed model behind any rollout engine, ready to be asked: loaded here, or served by a vLLM server.

For measuring, not for training: an engine that follows a policy is made in `training/engines.py`. What the model is
asked and how its samples are judged is in `predict.py` and `pass_rates.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from arctic_text2sql_r1.data.fingerprints import folder_digest
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.errors import RolloutError
from arctic_text2sql_r1.evaluation.models import PolicySource
from arctic_text2sql_r1.evaluation.models import adapter_fingerprint
from arctic_text2sql_r1.evaluation.models import find_policy
from arctic_text2sql_r1.evaluation.models import load_policy
from arctic_text2sql_r1.evaluation.models import require_intact
from arctic_text2sql_r1.evaluation.models import training_record
from arctic_text2sql_r1.evaluation.options import VLLM
from arctic_text2sql_r1.evaluation.predict import PredictSettings
from arctic_text2sql_r1.prompts.builder import DROP
from arctic_text2sql_r1.prompts.builder import load_tokenizer
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.rollout.base import ROLLOUT_ENGINES
from arctic_text2sql_r1.rollout.base import RolloutEngine
from arctic_text2sql_r1.rollout.base import SamplingParams


@dataclass(frozen=True)
class SamplerOptions:
    """Which model is sampled, through what, and how.

    `model` is a model folder, an adapter folder or a hub name. `engine` is `hf` (the model is loaded here), `vllm`
    (the server at `url` has it; an adapter is handed to the server, which must be able to read its folder) or
    `package.module:function`, called with these options and the model's tokenizer for a `RolloutEngine`.
    `batch_rows` is the number of completions asked for at a time, and what a killed measurement loses.
    `timeout_s` bounds one request to a server.
    """

    model: str
    engine: str = "hf"
    template: str = "arctic"
    num_samples: int = 8
    temperature: float = 1.0
    max_new_tokens: int = 1024
    seed: int = 0
    parser: str = "lenient"
    long_prompts: str = DROP
    batch_rows: int = 64
    url: str | None = None
    timeout_s: float = 600.0
    base_model: str | None = None
    dtype: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.temperature <= 0 and self.num_samples > 1:
            raise ValueError(
                f"num_samples {self.num_samples} with temperature {self.temperature:g} would draw the same completion "
                f"{self.num_samples} times. Set a temperature above 0, or num_samples 1."
            )


@dataclass(frozen=True)
class Sampler:
    """An engine over one model, the model's tokenizer, and how it is asked.

    `identity` is JSON: what was sampled from, beyond its name. What another identity wrote is not this model's.
    `description` is JSON too, for people: names, the adapter's norm, how it was trained, what computes it.
    """

    engine: RolloutEngine
    tokenizer: Any
    settings: PredictSettings
    identity: dict[str, Any]
    description: dict[str, Any]


def open_sampler(options: SamplerOptions) -> Sampler:
    """The model of `options`, ready to be asked.

    Raises `ModelError` for a model or adapter that cannot be used, `RolloutError` for a server that is down or has
    another model, `RegistryError` for an unknown engine, `ValueError` for one that cannot be made from a model.
    """
    source = find_policy(options.model, base_model=options.base_model)
    require_intact(source.adapter or source.base)
    adapter = None if source.adapter is None else adapter_fingerprint(source.adapter)
    opened = _opener(options)(options, source)
    base = Path(source.base)
    identity = dict(
        base=base.resolve().name if base.is_dir() else source.base,
        weights=_weights_digest(source.base),
        adapter=None if adapter is None else adapter.sha256,
    )
    description = dict(
        model=options.model,
        base=source.base,
        adapter=None if adapter is None else dict(path=source.adapter, **vars(adapter)),
        trained_with=training_record(source),
        dtype=opened.dtype,
        device=opened.device,
    )
    settings = sampler_settings(options, opened.context_length)
    return Sampler(opened.engine, opened.tokenizer, settings, identity, description)


def sampler_settings(options: SamplerOptions, context_length: int | None) -> PredictSettings:
    """How a model with this context is asked."""
    return PredictSettings(
        template=get_template(options.template),
        sampling=SamplingParams(
            max_new_tokens=options.max_new_tokens,
            temperature=options.temperature,
            num_samples=options.num_samples,
            seed=options.seed,
        ),
        parser=options.parser,
        batch=max(1, options.batch_rows // options.num_samples),
        context_length=context_length,
        long_prompts=options.long_prompts,
    )


def loaded_or_served(model: str) -> dict[str, Any]:
    """The fields of `SamplerOptions` that name a model as users do: a folder, a hub name, vllm:URL or vllm:URL#MODEL.

    Raises what `served_model` does where the server has to be asked.
    """
    if not model.startswith(VLLM):
        return dict(model=model)
    url, _, name = model.removeprefix(VLLM).partition("#")
    return dict(model=name or served_model(url), engine="vllm", url=url)


def served_model(url: str) -> str:
    """What the vLLM server at `url` was started on: a model folder or a hub name.

    Raises `RolloutError` for a server that is down, or has no base model.
    """
    from arctic_text2sql_r1.rollout.vllm_server import VLLMServer

    cards = [card for card in VLLMServer(url, timeout_s=60.0).models() if card.get("parent") is None]
    if len(cards) == 0:
        raise RolloutError(f"The vLLM server {url} serves no model. Expected one that was started on a model.")
    return str(cards[0].get("root") or cards[0]["id"])


def _weights_digest(base: str) -> str | None:
    """A hash of a model folder's files; of a hub name the commit that was loaded; None where neither is here."""
    from huggingface_hub import try_to_load_from_cache

    folder = Path(base)
    if folder.is_dir():
        return folder_digest(folder, (path.name for path in folder.iterdir() if path.is_file()))
    found = try_to_load_from_cache(base, "config.json")
    return Path(found).parent.name if isinstance(found, str) else None


@dataclass(frozen=True)
class _Opened:
    """An engine with its tokenizer, the model's context length if it is known, and what computes it."""

    engine: RolloutEngine
    tokenizer: Any
    context_length: int | None
    dtype: str
    device: str


def _opener(options: SamplerOptions) -> Callable[[SamplerOptions, PolicySource], _Opened]:
    if ":" in options.engine:
        return _open_own
    ROLLOUT_ENGINES.get(options.engine)  # an unknown name is told with the known ones
    if options.engine not in _OPENERS:
        raise ValueError(
            f"Rollout engine '{options.engine}' cannot be made from a model alone. Expected {' or '.join(_OPENERS)}, "
            f"or 'package.module:function'."
        )
    return _OPENERS[options.engine]


def _open_own(options: SamplerOptions, source: PolicySource) -> _Opened:
    tokenizer = load_tokenizer(source.tokenizer)
    return _Opened(ROLLOUT_ENGINES.get(options.engine)(options, tokenizer), tokenizer, None, "?", options.engine)


def _open_hf(options: SamplerOptions, source: PolicySource) -> _Opened:
    from arctic_text2sql_r1.rollout.hf import HFRolloutEngine

    policy = load_policy(options.model, dtype=options.dtype, device=options.device, base_model=options.base_model)
    engine = HFRolloutEngine(policy.model, policy.tokenizer, max_batch_rows=options.batch_rows)
    return _Opened(engine, policy.tokenizer, policy.context_length, policy.dtype, str(policy.model.device))


def _open_vllm(options: SamplerOptions, source: PolicySource) -> _Opened:
    from arctic_text2sql_r1.rollout.hf import eos_token_ids
    from arctic_text2sql_r1.rollout.vllm import VLLMRolloutEngine
    from arctic_text2sql_r1.rollout.vllm_server import VLLMServer

    if options.url is None:
        raise ModelError(f"No server was named for '{options.model}'. Expected the URL of a running vLLM server.")
    server = VLLMServer(options.url, options.timeout_s)
    card = _base_card(server, source.base)
    name = str(card["id"])
    if source.adapter is not None:
        name = f"adapter-{adapter_fingerprint(source.adapter).sha256[:16]}"
        server.serve_adapter(name, Path(source.adapter).resolve())
    tokenizer = load_tokenizer(source.tokenizer)
    stops = eos_token_ids(SimpleNamespace(generation_config=_generation_config(source.base)), tokenizer)
    engine = VLLMRolloutEngine(server, tokenizer, stops, lambda: name, max_batch_rows=options.batch_rows)
    return _Opened(engine, tokenizer, card.get("max_model_len"), "dtype of the server", options.url)


_OPENERS = dict(hf=_open_hf, vllm=_open_vllm)


def _base_card(server: Any, base: str) -> dict[str, Any]:
    """What the server says of the model `base`, under whichever name it serves it."""
    cards = [card for card in server.models() if card.get("parent") is None]
    wanted = {base, str(Path(base).resolve())}
    found = [card for card in cards if card["id"] == base or card.get("root") in wanted]
    if len(found) == 0:
        served = ", ".join(f"'{card['id']}' (from '{card.get('root')}')" for card in cards)
        raise RolloutError(
            f"The vLLM server {server.url} serves {served or 'no model'}, expected '{base}': samples would be another "
            f"model's. Start it on that model, or name the model as the server does."
        )
    return dict(found[0])


def _generation_config(base: str) -> Any:
    """The model's generation config; an empty one where it has none."""
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(base)
    except OSError:
        return GenerationConfig()
