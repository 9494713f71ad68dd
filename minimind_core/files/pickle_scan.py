"""Looks at a pickle without running it: can building what it holds take unbounded time?

torch's restricted unpickler builds tensors and plain containers and runs no code. But a tuple that holds one
tuple twice, which holds one twice, and so on, is a line of text for each level and takes 2^levels steps to be
hashed as the key of a dictionary. Here every opcode is followed with nothing but the sizes of its operands.
No torch.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from minimind_core.errors import CheckpointError

MAX_OPCODES = 1_000_000
"""A training checkpoint of 90 tensors with its optimizer has some 15,000."""
MAX_NODES = 10_000_000
"""Of one value with everything in it, counted as often as it is reached."""
MAX_DEPTH = 200
LEGACY_PICKLES = 5
"""A file of torch before its zip archives: magic number, protocol, machine, the state, keys of storages."""

_Size = tuple[int, int]
"""Nodes and depth of a value on the stack."""
_MARK: _Size = (0, 0)


def check_pickles(path: Path, file: BinaryIO) -> None:
    """Raise CheckpointError where the pickles of a torch file, open at its start, are no plain state dict's.

    Says nothing about damage: the unpickler stops at the same place and says so itself. Leaves the position
    in `file` at its start.
    """
    for stream in _pickles(file):
        for _ in range(LEGACY_PICKLES):
            if not _follow(path, stream):
                break
    file.seek(0)


def _pickles(file: BinaryIO) -> Sequence[BinaryIO]:
    is_archive = file.read(2) == b"PK"
    file.seek(0)
    if not is_archive:
        return [file]
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if name.endswith(".pkl")]
            return [io.BytesIO(archive.read(name)) for name in names]
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError):
        return []


def _follow(path: Path, stream: BinaryIO) -> bool:
    """Go through one pickle; False where none that is whole began here."""
    stack: list[_Size] = []
    memo: dict[int, _Size] = {}
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            _apply(opcode, argument, stack, memo)
            nodes, depth = stack[-1] if stack else _MARK
            if count > MAX_OPCODES or nodes > MAX_NODES or depth > MAX_DEPTH:
                raise CheckpointError(
                    f"{path} was not opened, because its pickle is nested as no state dict is; "
                    "save only the model's state_dict().",
                    key="checkpoint.nested",
                    path=str(path),
                )
    except (ValueError, IndexError, KeyError, TypeError, UnicodeDecodeError):
        return False
    return True


def _apply(
    opcode: pickletools.OpcodeInfo, argument: object, stack: list[_Size], memo: dict[int, _Size]
) -> None:
    """What one opcode does to the sizes: it takes its operands away and puts what is made of them there."""
    if opcode.name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif opcode.name.endswith("PUT"):
        memo[int(str(argument))] = stack[-1]
    elif opcode.name.endswith("GET"):
        stack.append(memo[int(str(argument))])
    else:
        taken: list[_Size] = []
        before = list(opcode.stack_before)
        if pickletools.markobject in before:
            while (size := stack.pop()) is not _MARK:
                taken.append(size)
            before = before[: before.index(pickletools.markobject)]
        taken += [stack.pop() for _ in before]
        made = 1 + sum(nodes for nodes, _ in taken), 1 + max((depth for _, depth in taken), default=0)
        stack += [_MARK if result is pickletools.markobject else made for result in opcode.stack_after]
