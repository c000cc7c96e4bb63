# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The exceptions this package raises on purpose.

    Text2SQLError
    ├── DataError          a dataset row, a database file or a gold query is unusable
    ├── ExecutionError     our own machinery around SQL failed (never a model's bad SQL: that is a status)
    ├── ModelError         a model, adapter or tokenizer folder is not what it claims to be
    ├── PublishingError    the hub refuses what is sent to it, or cannot be reached
    ├── RewardError        a reward function failed or returned what no reward may return
    ├── RolloutError       an engine outside this process failed, or would sample from another policy
    ├── TrainingError      an update produced numbers that training cannot go on from
    └── RegistryError      a name in a recipe or on the command line is not known

A message says what was being done, on which object, what was found, what was expected and what to do.
Configuration faults inside a recipe are plain `ValueError` so that pydantic reports them with their field.
"""


class Text2SQLError(Exception):
    """Base of every exception raised on purpose by this package."""


class DataError(Text2SQLError):
    """A dataset row, a database file or a gold query cannot be used."""


class ExecutionError(Text2SQLError):
    """The SQL workers themselves failed; a model's bad SQL is an `ExecutionStatus`, not an error."""


class ModelError(Text2SQLError):
    """A model, adapter or tokenizer folder is missing, incomplete or not what it claims to be."""


class PublishingError(Text2SQLError):
    """The hub does not take what is sent to it, cannot be reached, or there is no token to send it with."""


class RewardError(Text2SQLError):
    """A reward function raised, or returned what no reward may return; the message names it and the row."""


class RolloutError(Text2SQLError):
    """A rollout server does not answer, answers with an error, or does not serve the policy that was asked for."""


class TrainingError(Text2SQLError):
    """An update produced a loss or gradient that is not a number; nothing of it was saved."""


class RegistryError(Text2SQLError):
    """A name is not registered; the message lists the names that are."""
