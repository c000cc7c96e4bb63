# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Trained models for others: merged or bare, with a model card, on the Hugging Face hub."""
