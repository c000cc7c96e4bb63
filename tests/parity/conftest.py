# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The table of differences at the end of `make test-parity`."""

import pytest

TABLE = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints what the tests measured, whether they passed or not."""
    for line in config.stash.get(TABLE, []):
        terminalreporter.write_line(line)
