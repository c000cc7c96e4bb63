# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""DeepSpeed's CPU Adam after a load: its bias correction exactly as in a run that was never interrupted.

The operator keeps beta^t outside the optimizer's state: it multiplies by beta at each step, but computes `pow` anew
when the step jumps, as it does after a load; in float32 the two differ by about 1e-6. Loading itself is in
`training/run_checkpoints.py`. Source: `IncrementStep` in DeepSpeed's csrc/includes/cpu_adam.h.
"""

from typing import Any

import torch
from deepspeed.ops.adam import DeepSpeedCPUAdam
from deepspeed.ops.adam import FusedAdam


def retrace_adam_powers(optimizer: torch.optim.Optimizer) -> None:
    """Brings the operator's running beta^t to the optimizer's step, multiplied up as training would have.

    Does nothing for other optimizers, among them FusedAdam on a GPU, which computes the powers afresh at every step.
    """
    if not isinstance(optimizer, DeepSpeedCPUAdam | FusedAdam):
        return
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if any(parameter.device.type != "cpu" for parameter in parameters):
        return
    done = max((int(state["step"]) for state in optimizer.state.values() if "step" in state), default=0)
    empty = torch.empty(0)
    for group in optimizer.param_groups[:1]:  # all groups share one operator and one pair of betas
        for step in range(done + 1):  # step 0 sets both powers to 1, whatever the operator did before
            _advance(optimizer, group, step, empty)


def _advance(optimizer: Any, group: dict[str, Any], step: int, empty: torch.Tensor) -> None:
    """One update of no parameter at all: only the operator's powers move."""
    beta1, beta2 = group["betas"]
    rates = (group["lr"], beta1, beta2, group["eps"])
    bias_correction = bool(group["bias_correction"])
    if isinstance(optimizer, DeepSpeedCPUAdam):
        settings = (*rates, group["weight_decay"], bias_correction)
        optimizer.ds_opt_adam.adam_update(optimizer.opt_id, step, *settings, empty, empty, empty, empty)
    else:
        mode = (optimizer.adam_w_mode, int(bias_correction), group["weight_decay"])
        tensors = [[empty], [empty], [empty], [empty]]
        optimizer.multi_tensor_adam(0, optimizer._dummy_overflow_buf, tensors, *rates, step, *mode)
