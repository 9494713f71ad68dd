"""C++ beside this file as a library for ctypes: compiled once a machine, in some seconds, and kept.

It includes nothing of torch, which makes it quick to compile, and shares torch's threads, as both ask for
OpenMP by one name. The compiler is a process of its own: whoever cannot wait goes on meanwhile, and a build
that was begun ends well without the program that began it. Decides nothing about processors (`cpu_step.py`
does).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

FLAGS = ["-O3", "-std=c++17", "-fPIC", "-shared", "-fopenmp"]
AT_ONCE = 'if "$@" -o "$0.$$"; then mv "$0.$$" "$0"; else rm -f "$0.$$"; exit 1; fi'
"""For a shell: the library is there whole or not at all."""


class Build(NamedTuple):
    """A compiler at work, and what it says."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]


_builds: dict[Path, Build] = {}
_lock = threading.Lock()


def load_library(source: Path, headers: Sequence[Path], flags: Sequence[str]) -> ctypes.CDLL:
    """The library of this source; built where none is kept for the same text and flags, which it waits for.

    Raises OSError where there is no compiler, no place to keep it, or the compiler refuses.
    """
    command, library = _plan(source, headers, flags)
    if not library.exists():
        build = _begun(command, library)
        build.process.wait()
        _check(build, source)
    return ctypes.CDLL(str(library))


def is_built(source: Path, headers: Sequence[Path], flags: Sequence[str]) -> bool:
    """Whether `load_library` need not wait. Where it must, the build is begun, once a process.

    Raises OSError as `load_library` does.
    """
    command, library = _plan(source, headers, flags)
    if library.exists():
        return True
    build = _begun(command, library)
    if build.process.poll() is not None:
        _check(build, source)
    return library.exists()


def _plan(source: Path, headers: Sequence[Path], flags: Sequence[str]) -> tuple[list[str], Path]:
    """The compiler's command, and where the library of just this text and these flags is kept."""
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        raise OSError("there is no C++ compiler")
    command = [compiler, *FLAGS, *flags]
    texts = [" ".join(command).encode(), *(path.read_bytes() for path in (source, *headers))]
    name = hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minimind"
    return [*command, str(source)], folder / f"{source.stem}-{name}.so"


def _begun(command: Sequence[str], library: Path) -> Build:
    """The build of this library in this process, which begins with the first call."""
    with _lock:
        if library not in _builds:
            library.parent.mkdir(parents=True, exist_ok=True)
            said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the compiler has ended
            shell = ["sh", "-c", AT_ONCE, str(library), *command]
            _builds[library] = Build(
                subprocess.Popen(
                    shell,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    start_new_session=True,  # Ctrl+C ends who asked, and not the build
                ),
                said,
            )
        return _builds[library]


def _check(build: Build, source: Path) -> None:
    if build.process.returncode:
        build.said.seek(0)
        raise OSError(f"the compiler refused {source.stem}: {build.said.read().decode(errors='replace')}")
