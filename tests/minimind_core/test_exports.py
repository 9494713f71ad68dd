"""The public names of the core, and what stays free of torch."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import minimind_core
from minimind_core import errors

ROOT = Path(__file__).resolve().parents[2]
TORCH_FREE = (
    "minimind_core",
    "minimind_core.model.config",
    "minimind_core.model.cost",
    "minimind_core.errors",
    "minimind_core.decoding.sampling_params",
    "minimind_core.training.training_config",
    "minimind_core.training.bpe",
    "minimind_core.files.checkpoint_config",
    "minimind_core.atomic_file",
    "minimind_core.files.atomic_folder",
    "minimind_core.__main__",
    "minimind_core.commands.info",
    "minimind_core.commands.doctor",
    "minimind_core.doctor",
)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_public_names_are_sorted_and_each_is_there() -> None:
    assert minimind_core.__all__ == sorted(set(minimind_core.__all__))
    for name in minimind_core.__all__:
        value = getattr(minimind_core, name)
        assert not isinstance(value, ModuleType), f"{name} is a module"
        assert value is getattr(importlib.import_module(f"minimind_core.{minimind_core._HOMES[name]}"), name)


def test_every_error_is_public() -> None:
    tree = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert tree <= set(minimind_core.__all__)


def test_an_unknown_name_is_refused_and_unknown_to_from_import() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = minimind_core.nothing
    with pytest.raises(ImportError):
        exec("from minimind_core import nothing")


def test_a_public_function_is_never_hidden_by_its_module() -> None:
    """Importing a submodule binds its name in the package: a function of that name would be lost."""
    submodules = {module.name for module in pkgutil.iter_modules(minimind_core.__path__)}
    assert not submodules & set(minimind_core.__all__)


def test_what_the_web_process_uses_loads_no_torch() -> None:
    code = f"import sys, importlib\nfor name in {TORCH_FREE}: importlib.import_module(name)\n"
    assert run(code + "print({'torch', 'transformers', 'numpy'} & set(sys.modules))") == "set()"


def test_public_names_without_torch_load_none() -> None:
    names = "ModelConfig, PRESETS, ConfigError, SamplingParams, TrainingConfig, num_parameters"
    assert run(f"import sys\nfrom minimind_core import {names}\nprint('torch' in sys.modules)") == "False"
