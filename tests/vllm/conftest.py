# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A tiny model that vLLM can serve, a server for all tests, and the recipe fixtures of `tests/arctic/` around them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.arctic.conftest import one_rank  # noqa: F401
from tests.arctic.conftest import run_recipe  # noqa: F401
from tests.arctic.conftest import toy_recipe  # noqa: F401
from tests.arctic.toy_project import build_toy_model
from tests.vllm.server import PYTHON
from tests.vllm.server import Server
from tests.vllm.server import start
from tests.vllm.server import stop


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy model of `tests/arctic/`, wide enough for vLLM: attention heads of 32."""
    if not PYTHON.exists():
        pytest.skip("needs vLLM in .cache/vllm: make test-vllm")
    return build_toy_model(tmp_path_factory.mktemp("toy") / "model", hidden_size=128)


@pytest.fixture(scope="session")
def server(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that leave it as they found it."""
    started = start(toy_model, tmp_path_factory.mktemp("server"))
    yield started
    stop(started)


@pytest.fixture
def own_server(toy_model: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server for one test, which may kill it; parametrised by flags to leave out."""
    started = start(toy_model, tmp_path, without=getattr(request, "param", ()))
    yield started
    stop(started)
