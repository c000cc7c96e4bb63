# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Another attention function for a transformers model, for a while.

transformers looks up a model's attention function by a name in its configuration, at every call of a layer. The
functions themselves are where they are used: `rollout/shared_prefix.py` for decoding, `packed.py` for training.
"""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from arctic_text2sql_r1.errors import ModelError

# What models hand to every attention function and ours have no use for; anything else that is set changes scores.
_IGNORED = {"position_ids", "cache_position", "use_cache", "is_causal", "output_attentions", "output_hidden_states"}

# What layers may be called in a configuration. `sliding_attention` tells its function how far it sees.
_LAYERS = {"full_attention", "sliding_attention"}


@contextmanager
def attention_mode(model: torch.nn.Module, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Inside, the model's attention layers call `function`, known to transformers as `name`, and make no masks.

    Their own choice is back afterwards. May be entered again inside.
    """
    from transformers import AttentionInterface
    from transformers import PretrainedConfig

    AttentionInterface.register(name, function)
    found = {id(config): config for module in model.modules() for config in [getattr(module, "config", None)]}
    configs = [config for config in found.values() if isinstance(config, PretrainedConfig)]
    before = [config._attn_implementation for config in configs]
    try:
        for config in configs:
            config._attn_implementation = name
        yield
    finally:
        for config, own in zip(configs, before, strict=True):
            config._attn_implementation = own


def other_layers(model: Any) -> str | None:
    """A reason when the model has layers that are neither full attention nor attention over a window."""
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ()) - _LAYERS
    return f"it has layers of other kinds: {', '.join(sorted(kinds))}" if len(kinds) > 0 else None


def plain_scale(
    doing: str, module: Any, query: torch.Tensor, attention_mask: Any, options: dict[str, Any]
) -> tuple[float, int | None]:
    """The factor of an attention layer's scores, and its window: the tokens that one sees, itself and those before.

    None sees all. `options` are the keyword arguments that the layer came with, which are all that flash attention is
    told of a window as well. Raises `ModelError` for a layer that wants anything else; `doing` opens the message.
    """
    left = dict(options)
    scaling, dropout, window = left.pop("scaling", None), left.pop("dropout", 0.0), left.pop("sliding_window", None)
    unknown = sorted(name for name, option in left.items() if option is not None and name not in _IGNORED)
    if len(unknown) > 0 or dropout or attention_mask is not None:
        raise ModelError(
            f"{doing} in {type(module).__name__}: its attention wants more than keys, values, a scale and a window "
            f"({', '.join(unknown) or 'a mask or dropout'})."
        )
    return float(query.shape[-1] ** -0.5 if scaling is None else scaling), window
