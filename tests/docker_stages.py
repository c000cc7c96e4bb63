# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Builds the stages of our Dockerfile without an engine, for tests: every RUN line in a chroot over a fresh Debian.

Knows the instructions that our Dockerfile has, in the forms that it has, and refuses others. A stage is a folder of
changes that lies over the fresh system while a command runs, mounted in a namespace of that command's own: nothing
stays mounted, whatever happens. What stands for the base images comes from `fresh_debian.py`.
"""

import json
import os
import re
import shlex
import shutil
import string
import subprocess
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_S = 600
# The stage over what it was begun from, what programs need of the machine, then the command. `$@` is the command.
ENTER = """set -e
mount -t overlay stage -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$UPPER.work" "$UPPER.root"
mount -t proc proc "$UPPER.root/proc"
mount --rbind /dev "$UPPER.root/dev"
for path in $SHOWN; do
    if [ -d "$path" ]; then mkdir -p "$UPPER.root$path"; else touch "$UPPER.root$path"; fi
    mount --bind -o ro "$path" "$UPPER.root$path"
done
exec chroot --userspec="$AS" "$UPPER.root" "$@"
"""


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name, its `--key=value` flags and what follows them, continued lines joined."""

    name: str
    flags: dict[str, str]
    text: str


def read_instructions(dockerfile: str) -> list[Instruction]:
    """The instructions of a Dockerfile's text. Comments between continued lines are dropped, as Docker does."""
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE)).splitlines()
    instructions = []
    for name, text in (line.split(maxsplit=1) for line in lines if line.strip()):
        given = re.match(r"(?:--\S+\s+)*", text)
        assert given is not None
        flags = dict(flag.removeprefix("--").split("=", 1) for flag in given[0].split())
        instructions.append(Instruction(name, flags, text[given.end() :]))
    return instructions


@dataclass(frozen=True)
class Machine:
    """What stages take from this machine: the fresh system, files shown at their own paths, settings of programs."""

    system: Path
    shown: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


@dataclass
class Stage:
    """A stage as it grows. `layers`: its folder of changes, then those of the stages that it was begun from."""

    machine: Machine
    layers: list[Path]
    environment: dict[str, str]
    folder: str = "/"
    user: str = "0:0"
    command: list[str] = field(default_factory=list)

    def path(self, inside: str) -> Path:
        """Where `inside` lies among this stage's own changes; a relative path begins at the working folder."""
        top, _, rest = os.path.join(self.folder, inside).lstrip("/").partition("/")
        if (self.machine.system / top).is_symlink():  # /bin is usr/bin
            top = os.readlink(self.machine.system / top)
        return self.layers[0] / top / rest

    def run(self, command: list[str], user: str = "") -> "subprocess.CompletedProcess[str]":
        """Runs `command` as the stage's user, or another; both its streams are in `stdout`."""
        enter = dict(UPPER=str(self.layers[0]), LOWER=":".join(map(str, [*self.layers[1:], self.machine.system])))
        enter.update(PATH=SYSTEM_PATH, AS=user or self.user, SHOWN=" ".join(self.machine.shown))
        values = {"HOME": "/", "PATH": SYSTEM_PATH, **self.environment, **self.machine.environment}
        inner = ["env", "-i", f"--chdir={self.folder}", *(f"{name}={value}" for name, value in values.items())]
        outer = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh"]
        started = [*outer, *inner, *command]
        return subprocess.run(
            started, env=enter, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONGEST_S
        )


class Builder:
    """Carries out instructions one after another; `stage` is the one being built, `ran` what RUN has run."""

    def __init__(self, machine: Machine, images: dict[str, Path], context: Path, folder: Path, cache: Path) -> None:
        self.machine, self.images, self.context, self.folder, self.cache = machine, images, context, folder, cache
        self.stages: dict[str, Stage] = {}
        self.arguments: dict[str, str] = {}
        self.stage = Stage(machine, [], {})
        self.ran: list[str] = []

    def build(self, instructions: list[Instruction], arguments: dict[str, str]) -> Stage:
        """The last stage. AssertionError with what a failing RUN command printed; KeyError: an unknown instruction."""
        steps = dict(
            FROM=self._from, ENV=self._env, ARG=self._arg, RUN=self._run, COPY=self._copy, WORKDIR=self._workdir
        )
        steps.update(USER=self._user, VOLUME=self._volume, CMD=self._cmd)
        for step in instructions:
            steps[step.name](step)
            self.arguments.update({name: arguments[name] for name in arguments if name in self.arguments})
        return self.stage

    def _from(self, step: Instruction) -> None:
        source, _, name = step.text.partition(" AS ")
        begun = self.stages.get(source, Stage(self.machine, [], {}))
        changes = self.folder / name
        if source in self.images:
            shutil.copytree(self.images[source], changes)
        for path in (changes, Path(f"{changes}.work"), Path(f"{changes}.root")):
            path.mkdir(exist_ok=True)
        self.stage = Stage(self.machine, [changes, *begun.layers], dict(begun.environment), begun.folder, begun.user)
        self.stages[name], self.arguments = self.stage, {}

    def _filled(self, text: str) -> str:
        return string.Template(text).substitute({"PATH": SYSTEM_PATH, **self.arguments, **self.stage.environment})

    def _env(self, step: Instruction) -> None:
        for pair in shlex.split(self._filled(step.text)):
            name, _, value = pair.partition("=")
            self.stage.environment[name] = value

    def _arg(self, step: Instruction) -> None:
        name, _, default = step.text.partition("=")
        self.arguments[name] = default

    def _run(self, step: Instruction) -> None:
        """With a cache mount the cache lies within the stage, not mounted, so that installing can link its files."""
        cached = dict(pair.split("=", 1) for pair in step.flags.get("mount", "").split(",") if pair).get("target")
        if cached is not None:
            shutil.rmtree(self.stage.path(cached), ignore_errors=True)
            self.stage.path(cached).parent.mkdir(parents=True, exist_ok=True)
            self.cache.rename(self.stage.path(cached))
        given = [f"{name}={value}" for name, value in self.arguments.items()]
        done = self.stage.run(["env", *given, "/bin/sh", "-c", step.text])
        if cached is not None:
            self.stage.path(cached).rename(self.cache)
        assert done.returncode == 0, f"RUN {step.text}\nended with {done.returncode}:\n{done.stdout[-4000:]}"
        self.ran.append(step.text)

    def _copy(self, step: Instruction) -> None:
        """Files of another stage become links to the same files; those of the context pass .dockerignore."""
        *sources, target = self._filled(step.text).split()
        for source in sources:
            into = self.stage.path(target)
            into = into / Path(source).name if target.endswith("/") else into
            if "from" in step.flags:
                origin, ignore = self.stages[step.flags["from"]].path(source), None
            else:
                origin = self.context / source
                assert admitted(source, self.context), f".dockerignore keeps '{source}' out"
                ignore = self._left_out
            into.parent.mkdir(parents=True, exist_ok=True)
            if origin.is_dir():
                link = os.link if ignore is None else shutil.copy2
                shutil.copytree(origin, into, symlinks=True, ignore=ignore, copy_function=link)
            else:
                shutil.copy2(origin, into)
        if "chown" in step.flags:
            self.stage.run(["chown", "-R", step.flags["chown"], target], user="0:0").check_returncode()

    def _left_out(self, folder: str, names: list[str]) -> list[str]:
        inside = os.path.relpath(folder, self.context)
        return [name for name in names if not admitted(os.path.join(inside, name), self.context)]

    def _workdir(self, step: Instruction) -> None:
        self.stage.folder = step.text
        self.stage.path(step.text).mkdir(parents=True, exist_ok=True)

    def _user(self, step: Instruction) -> None:
        self.stage.user = step.text

    def _volume(self, step: Instruction) -> None:
        """Nothing to do: a volume takes over what the image has at its path."""

    def _cmd(self, step: Instruction) -> None:
        self.stage.command = json.loads(step.text)


def admitted(path: str, context: Path) -> bool:
    """Whether .dockerignore lets `path`, seen from `context`, into the build: the last line that fits decides."""
    admits = True
    for line in (context / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip().removeprefix("!").strip("/")
        if pattern and not line.startswith("#") and re.match(_as_expression(pattern), path):
            admits = line.startswith("!")
    return admits


def _as_expression(pattern: str) -> str:
    """Fits the pattern's paths and all below them; unlike git's, a pattern without `**/` begins at the top."""
    parts = re.split(r"(\*\*/|\*)", pattern)
    return "".join({"**/": "(?:.*/)?", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts) + "(?:/|$)"
