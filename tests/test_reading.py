"""A file that somebody may name, replace or send is read through `minimind_core.bounded` and nothing else.

A plain `open` waits for a pipe that nobody writes into, and never ends at a device. Whoever adds one says
here whose file it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("minimind_core", "labs", "serving", "study", "pages", "questions")
READERS = {"open", "read_text", "read_bytes", "load", "fromfile", "memmap", "loadtxt"}
MODULES = {"gzip", "lzma", "bz2", "zipfile", "np", "numpy", "torch", "json", "tomllib", "pickle"}
OURS = {
    "shipped with the program": {
        "labs/q03_vocabulary/claims.py",
        "labs/q09_accumulation/digit_images.py",
        "labs/q11_nan/roulette.py",
        "labs/skeleton/__init__.py",
        "labs/tools/heldout.py",
        "minimind_core/decoding/native_library.py",
        "minimind_core/decoding/persistent_step.py",
        "pages/ui/interview/clock.py",
        "pages/ui/site/component.py",
        "pages/ui/site/first_paint.py",
        "pages/ui/site/first_scripts.py",
        "pages/ui/site/guard.py",
        "serving/scaleout/programs.py",
        "study/report_html.py",
    },
    "written by people who change the program, and read when it starts": {
        "labs/claims/drawn.py",
        "labs/claims/recordings.py",
        "questions/text_file.py",
    },
    "of the system": {"minimind_core/device.py", "labs/tools/budgets.py"},
    "of a test's peer": {"minimind_core/files/onnx_llama.py"},
    "written by this process": {"serving/scaleout/processes.py"},
    "opened by `bounded` or read by it before": {
        "minimind_core/files/tensor_files.py",
        "minimind_core/training/packing.py",
        "minimind_core/training/training_state.py",
    },
}


def readings(path: Path) -> Iterator[str]:
    """The calls in a file that read a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "open":
            if not is_written(node):
                yield ast.unparse(node)
        elif isinstance(node.func, ast.Attribute) and node.func.attr in READERS:
            of_module = isinstance(node.func.value, ast.Name) and node.func.value.id in MODULES
            of_path = node.func.attr in ("read_text", "read_bytes")
            opened = node.func.attr == "open" and any("'r" in ast.unparse(each) for each in node.args)
            if of_module or of_path or opened:
                yield ast.unparse(node)


def is_written(call: ast.Call) -> bool:
    """Whether an `open` only writes, or opens what was opened without waiting."""
    named = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    mode = ast.unparse(call.args[1]) if len(call.args) > 1 else named.get("mode", "")
    return mode[1:2] in ("w", "x", "a") or "+" in mode or "opener" in named


def test_nothing_is_read_without_a_bound() -> None:
    known = set().union(*OURS.values())
    found = {
        path.relative_to(ROOT).as_posix(): calls
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if (calls := list(readings(path)))
    }
    assert {name: calls for name, calls in found.items() if name not in known} == {}
    assert known - found.keys() == set(), "these read no file any more: take them out"
