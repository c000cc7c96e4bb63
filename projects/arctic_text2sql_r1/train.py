# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Registers the plugin when ArcticTraining loads a recipe of this folder: importing it is all that is needed.

Nothing is defined here. ArcticTraining loads this file under a made-up module name, so a class written here would be
registered twice as soon as anything else imported it. The plugin itself is `arctic_text2sql_r1/arctic/`. Tokens for
the hub and Weights & Biases may stand in a `.env`, see `.env.example`.
"""

import arctic_text2sql_r1.arctic  # noqa: F401
from arctic_text2sql_r1.environment import load_env_file

load_env_file()
