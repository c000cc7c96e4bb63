# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A fresh Debian with its own Python in a folder, in the place of the image python:3.11-slim-bookworm, for tests.

Needs root, Linux namespaces, overlay mounts, apt and a Debian mirror; `why_not` says what of it is missing. The system
is made once and kept. Also here: this machine's settings for package indexes, in the form that uv reads.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = "python3,libpython3.11-dev,ca-certificates"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
MOUNTS = 'mkdir u w m && mount -t overlay x -o "lowerdir=/usr,upperdir=$PWD/u,workdir=$PWD/w" m'


def why_not(folder: Path) -> str | None:
    """What keeps this machine from running commands in a fresh system below `folder`; None: nothing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux, for chroot"
    trial = folder / "trial"
    shutil.rmtree(trial, ignore_errors=True)
    trial.mkdir(parents=True)
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "sh", "-c", MOUNTS], cwd=trial, capture_output=True
    )
    shutil.rmtree(trial)
    if tried.returncode != 0:
        return f"cannot mount overlays in a namespace of its own: {tried.stderr.decode().strip()[-200:]}"
    if shutil.which("mmdebstrap") is None and shutil.which("apt-get") is None:
        return "needs mmdebstrap, or apt to fetch it"
    return None


def make_system(folder: Path, suite: str) -> Path:
    """A Debian `suite` with Python below `folder`, made if it is not there. CalledProcessError: no mirror answered."""
    system = folder / suite
    if not system.exists():
        being_made = folder / f"{suite}.new"
        shutil.rmtree(being_made, ignore_errors=True)
        options = ["--mode=root", "--variant=minbase", f"--include={PACKAGES}", "--quiet"]
        _call([_mmdebstrap(folder), *options, suite, str(being_made)])
        being_made.rename(system)
    return system


def _mmdebstrap(folder: Path) -> str:
    """The installed program, or one unpacked below `folder`: a script that needs Perl and apt only."""
    unpacked = folder / "mmdebstrap" / "usr" / "bin" / "mmdebstrap"
    if found := shutil.which("mmdebstrap"):
        return found
    if not unpacked.exists():
        lists = folder / "lists"
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        apt = ["apt-get", "-q", f"-oDir::State::Lists={lists}", "-oAPT::Sandbox::User=root"]
        _call([*apt, "update"], folder)
        _call([*apt, "download", "mmdebstrap"], folder)
        (package,) = folder.glob("mmdebstrap_*.deb")
        _call(["dpkg-deb", "--extract", str(package), str(folder / "mmdebstrap")])
    return str(unpacked)


def _call(command: list[str], folder: Path | None = None) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def pip_settings() -> dict[str, list[str]]:
    """This machine's settings of pip for indexes, each a list: index-url, extra-index-url, find-links, where set."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.findall(
        r"^(?:global|install|:env:)\.(index-url|extra-index-url|find-links)='(.*)'$", listed, re.MULTILINE
    )
    return {name: shlex.split(value) for name, value in found}


def write_uv_settings(settings: dict[str, list[str]], path: Path) -> None:
    """The same settings for uv, with pip's rule that the best version of all indexes wins."""
    lines = ['index-strategy = "unsafe-best-match"', "system-certs = true"]
    lines += [f"{name} = {json.dumps(values)}" for name, values in settings.items() if name != "index-url"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def shown_paths(settings: dict[str, list[str]]) -> tuple[str, ...]:
    """What installing needs of this machine: names of hosts, certificates, index folders with the files beside."""
    values = [value for listed in settings.values() for value in listed]
    folders = [str(Path(value[7:]).parent) if value.startswith("file://") else value for value in values]
    return tuple(path for path in ["/etc/resolv.conf", "/etc/hosts", CERTIFICATES, *folders] if Path(path).exists())
