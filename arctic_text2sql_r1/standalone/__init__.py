# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""GRPO in one process: no DeepSpeed, no ArcticTraining, no launcher. Made for notebooks (Colab) and small machines.

    python -m arctic_text2sql_r1.standalone RECIPE.yaml

runs a recipe of `type: grpo` as `arctic_training RECIPE.yaml --num_gpus 1` would: objectives, rewards, databases,
prompts, rollouts, logs and checkpoint folders are the plugin's own code, imported (`training/` and below). Here are
only what DeepSpeed and ArcticTraining do otherwise: `engine.py` (optimizer, clipping, loss scaling), `trainer.py` (the
loop), `checkpoints.py` (when to save), `policies.py` (the model), `settings.py` (the recipe), and `hardware.py`, which
finds settings for the machine at hand.

What is not here: several ranks or nodes, ZeRO and offload, rollouts by a vLLM server, Weights & Biases and
TensorBoard, a cache of prepared data (golds are run and prompts built at every start), all weights trained in less
than float32. Recipes that ask for one of those that change a result are refused; other keys are named and ignored.
"""
