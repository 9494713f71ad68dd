"""C++ beside this file as a library for ctypes: compiled once a machine, in some seconds, and kept.

It includes nothing of torch, which makes it quick to compile, and shares torch's threads, as both ask for
OpenMP by one name. Decides nothing about processors (`cpu_step.py` does).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

FLAGS = ["-O3", "-std=c++17", "-fPIC", "-shared", "-fopenmp"]


def load_library(source: Path, headers: Sequence[Path], flags: Sequence[str]) -> ctypes.CDLL:
    """The library of this source; built where none is kept for the same text and flags.

    Raises OSError where there is no compiler, no place to keep it, or the compiler refuses.
    """
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        raise OSError("there is no C++ compiler")
    command = [compiler, *FLAGS, *flags]
    texts = [" ".join(command).encode(), *(path.read_bytes() for path in (source, *headers))]
    name = hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minimind"
    library = folder / f"{source.stem}-{name}.so"
    if not library.exists():
        _build([*command, str(source)], library)
    return ctypes.CDLL(str(library))


def _build(command: Sequence[str], library: Path) -> None:
    """Compile into a folder of its own and move it into place, so that no one loads half a file."""
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        built = Path(folder) / library.name
        run = subprocess.run([*command, "-o", str(built)], capture_output=True, text=True, check=False)
        if run.returncode:
            raise OSError(f"the compiler refused {library.stem}: {run.stderr.strip()}")
        built.replace(library)
