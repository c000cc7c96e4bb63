# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Name to object, one small table per kind of thing (rewards, rollout engines, objectives, templates).

A kind's modules are discovered by importing every module of its package, so adding one touches one file. A name with
a colon, `package.module:object`, is imported instead of looked up: that is how users plug in their own.
"""

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable
from typing import Generic
from typing import TypeVar

from arctic_text2sql_r1.errors import RegistryError

T = TypeVar("T")


class Registry(Generic[T]):
    """A name-to-object table for one kind of thing.

    `package` names the package whose modules register themselves on import; it is walked at the first look-up.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self._package = package
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files the object under `name`. Raises `RegistryError` when the name is taken."""

        def decorate(item: T) -> T:
            if name in self._items:
                raise RegistryError(f"{self.kind} '{name}' is registered twice; choose another name for {item!r}.")
            self._items[name] = item
            return item

        return decorate

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        self._discover()
        return sorted(self._items)

    def get(self, name: str) -> T:
        """The object called `name`, or the one imported from `package.module:object`."""
        if ":" in name:
            return self._import(name)
        self._discover()
        if name not in self._items:
            raise RegistryError(
                f"Unknown {self.kind} '{name}'. Known: {', '.join(self.names())}. "
                f"To use your own, write 'package.module:object'."
            )
        return self._items[name]

    def _discover(self) -> None:
        if self._package is None:
            return
        package = importlib.import_module(self._package)
        self._package = None
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")

    def _import(self, path: str) -> T:
        module_name, _, attribute = path.partition(":")
        if os.getcwd() not in sys.path:  # a console script's path lacks the folder it was called from
            sys.path.append(os.getcwd())
        try:
            item: T = getattr(importlib.import_module(module_name), attribute)
        except (ImportError, AttributeError) as error:
            raise RegistryError(
                f"Cannot load {self.kind} '{path}': {error}. Expected 'package.module:object' importable from "
                f"where the command runs."
            ) from error
        return item
