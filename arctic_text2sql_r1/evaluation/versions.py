# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The versions of what computes a figure, for records and for telling whether two figures are of one make."""

import platform
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("arctic-text2sql-r1", "torch", "transformers", "peft")


def package_versions(packages: Sequence[str] = PACKAGES) -> dict[str, str | None]:
    """Python's version and those of `packages`; None for one that is not installed."""
    return dict(python=platform.python_version(), **{name: _version(name) for name in packages})


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # a source tree that runs without being installed has no version to tell
        return None


@cache
def source_commit() -> str | None:
    """The commit this package's source stands at, with `-dirty` where files differ from it; None outside a checkout.

    An installed copy may lie in an environment inside somebody else's repository, whose commit says nothing of it.
    """
    if shutil.which("git") is None:
        return None
    git = ["git", "-C", str(Path(__file__).parent)]
    if subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True).returncode != 0:
        return None
    found = subprocess.run(
        [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"], capture_output=True, text=True
    )
    return found.stdout.strip() or None
