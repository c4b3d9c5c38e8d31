"""The hook that `import torch` calls, so that the stock ``llamafactory-cli`` knows ``formatting: or_debug``.

LLaMA-Factory has no plugin entry point, but it imports torch before its own data code, and torch calls every entry
point of the group ``torch.backends`` at the end of its import. `install` runs there: it waits for LLaMA-Factory's
data loader to be imported, registers our converter once, and goes away. Processes that never import LLaMA-Factory pay
for one look-up in a list. The environment variable ``TORCH_DEVICE_BACKEND_AUTOLOAD=0`` turns all of this off.

This module runs inside every `import torch` of the environment, so it imports nothing heavy and nothing of ours.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

# The package `llamafactory.data` imports this module whichever of its parts is asked for, converter included.
TARGET = "llamafactory.data.loader"

logger = logging.getLogger(__name__)


class PostImportFinder(MetaPathFinder):
    """Finds `TARGET` as Python would, and calls `register` once it has been executed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns Python's own spec with its loader's ``exec_module`` extended, or None for any other module."""
        if fullname != TARGET:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            register()

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


def install() -> None:
    """The entry point: registers at once where LLaMA-Factory is already imported, else when it will be."""
    if TARGET in sys.modules:
        register()
    elif not any(isinstance(finder, PostImportFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, PostImportFinder())


def register() -> None:
    """Registers the converter; a failure is a warning, because it must not take torch or LLaMA-Factory down."""
    try:
        importlib.import_module("ordebug_plugin.frameworks.llamafactory").register()
    except Exception as error:  # whatever a future LLaMA-Factory breaks, training without us must still run
        logger.warning(
            "ordebug_plugin could not register the data format 'or_debug' in LLaMA-Factory (%s: %s). "
            "Convert the data beforehand with `ordebug data convert IN.json OUT.json` and use `formatting: sharegpt`, "
            "or set TORCH_DEVICE_BACKEND_AUTOLOAD=0 to silence this.",
            type(error).__name__,
            error,
        )
