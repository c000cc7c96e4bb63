# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The policy's adapter where ZeRO-3 has cut it into shards; engines are made in `training/engines.py`."""

from typing import Any

import deepspeed

from arctic_text2sql_r1.training import engines
from arctic_text2sql_r1.training.engines import Adapter


def policy_adapter(model: Any) -> Adapter:
    """As `training.engines.policy_adapter`; under ZeRO-3 tensors are gathered: all ranks must call this together."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    sharded = [parameter for parameter in trained if hasattr(parameter, "ds_id")]
    with deepspeed.zero.GatheredParameters(sharded, enabled=len(sharded) > 0):
        return engines.policy_adapter(model)
