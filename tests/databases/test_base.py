# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Deadlines: a busy machine does not use up CPU time, and wall time always ends."""

import time

from arctic_text2sql_r1.databases.base import Deadline


def test_waiting_uses_no_cpu_time() -> None:
    deadline = Deadline(timeout_s=60.0, cpu_limit_s=0.05)
    time.sleep(0.1)
    assert not deadline.passed()


def test_working_uses_cpu_time() -> None:
    deadline = Deadline(timeout_s=60.0, cpu_limit_s=0.05)
    end = time.thread_time() + 0.06
    while time.thread_time() < end:
        pass
    assert deadline.passed()


def test_waiting_uses_wall_time() -> None:
    deadline = Deadline(timeout_s=0.05, cpu_limit_s=60.0)
    time.sleep(0.1)
    assert deadline.passed()
