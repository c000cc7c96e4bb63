# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The Dockerfile, built without an engine: every RUN line in a fresh Debian, then what the image's user finds there.

Skipped, with the reason, where that takes more than this machine gives. What it needs once (a Debian, a cache of
packages) stays in .cache/docker, 2 GB; the stages themselves are deleted.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docker_stages import Builder
from tests.docker_stages import Machine
from tests.docker_stages import Stage
from tests.docker_stages import read_instructions
from tests.fresh_debian import make_system
from tests.fresh_debian import pip_settings
from tests.fresh_debian import shown_paths
from tests.fresh_debian import why_not
from tests.fresh_debian import write_uv_settings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".cache" / "docker"
INSTRUCTIONS = read_instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
PYPI = "https://pypi.org/simple"
# Bytecode and copies instead of links cost a minute and show nothing.
FASTER = dict(UV_COMPILE_BYTECODE="0", UV_LINK_MODE="hardlink")
PROXIES = {
    name: value for name, value in os.environ.items() if name.lower() in ("http_proxy", "https_proxy", "no_proxy")
}


@dataclass(frozen=True)
class Image:
    """The last stage, as the image's user sees it, and the RUN commands that made it."""

    stage: Stage
    ran: list[str]

    def says(self, *command: str) -> str:
        done = self.stage.run(list(command))
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout[-2000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def system() -> Iterator[Path]:
    """The fresh Debian, for one test process at a time."""
    reason = why_not(KEPT)
    if reason is not None:
        pytest.skip(f"a fresh Debian {reason}")
    with open(KEPT / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in KEPT.glob("stages-*"):  # by a test run that was killed
            shutil.rmtree(left)
        try:
            made = make_system(KEPT, "bookworm")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"a fresh Debian needs a Debian mirror: {str(error.stdout).strip()[-300:]}")
        yield made


@pytest.fixture(scope="module")
def image(system: Path) -> Iterator[Image]:
    settings = pip_settings()
    write_uv_settings(settings, system / "etc" / "uv" / "uv.toml")
    index = settings.get("index-url", [PYPI if "find-links" in settings else CPU_WHEELS])[0]
    (KEPT / "uv").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="stages-", dir=KEPT))
    uv = folder / "uv-image"
    uv.mkdir()
    shutil.copy2(Path(sys.executable).with_name("uv"), uv / "uv")
    machine = Machine(system, shown_paths(settings), FASTER | PROXIES)
    uv_image = INSTRUCTIONS[0].text.removesuffix(" AS uv")
    builder = Builder(machine, {uv_image: uv}, ROOT, folder, KEPT / "uv")
    try:
        yield Image(builder.build(INSTRUCTIONS, dict(TORCH_INDEX=index)), builder.ran)
    finally:
        shutil.rmtree(folder)


def test_every_run_line_succeeds_in_a_fresh_debian(image: Image) -> None:
    assert image.ran == [step.text for step in INSTRUCTIONS if step.name == "RUN"]


def test_image_shows_help_unless_told_otherwise(image: Image) -> None:
    assert image.says(*image.stage.command).startswith("usage: text2sql-r1")


@pytest.mark.parametrize("command", [("text2sql-r1", "--version"), ("arctic_training", "--help")])
def test_commands_start_as_the_images_user(image: Image, command: tuple[str, str]) -> None:
    assert command[0] in image.says(*command)


def test_image_runs_as_uid_1000(image: Image) -> None:
    assert image.says("id", "-u").strip() == "1000"


def test_installed_versions_are_those_of_the_constraints(image: Image) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    code = "import importlib.metadata as m; print(*(f'{d.name} {d.version}' for d in m.distributions()), sep='\\n')"
    lines = image.says("python", "-c", code).splitlines()
    found = {canonicalize_name(name): version for name, version in (line.split() for line in lines)}
    here = [pin for pin in pins if canonicalize_name(pin.name) in found]
    assert [pin for pin in here if not pin.specifier.contains(found[canonicalize_name(pin.name)])] == []
    assert len(here) > 90


def test_deepspeed_is_importable_and_finds_what_compiles_operators(image: Image) -> None:
    code = "import deepspeed, torch.utils.cpp_extension as c; c.verify_ninja_availability(); print(deepspeed.__file__)"
    assert "/app/.venv/lib/" in image.says("env", "DS_ACCELERATOR=cpu", "python", "-c", code)
    image.says("c++", "--version")


@pytest.mark.parametrize("folder", ["/app/data", "/app/runs", "/cache", "/app/projects/arctic_text2sql_r1"])
def test_user_can_write_where_volumes_go(image: Image, folder: str) -> None:
    image.says("touch", f"{folder}/written")


@pytest.mark.parametrize("folder", ["/app/.venv", "/etc", "/usr/bin"])
def test_user_cannot_write_elsewhere(image: Image, folder: str) -> None:
    assert "Permission denied" in image.stage.run(["touch", f"{folder}/written"]).stdout
