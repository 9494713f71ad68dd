"""Files and archives of strangers with an upper bound, known before anything is read. No torch.

A device never ends, a pipe may never begin, and a small archive can hold far more than memory: each is
refused before its bytes are asked for. Knows no formats beyond xz and zip; whoever reads a file judges it.
"""

from __future__ import annotations

import lzma
import os
import stat
import zipfile
from pathlib import Path
from typing import BinaryIO

from minimind_core.errors import FileError

MAX_JSON_BYTES = 2**24
"""Of a config.json or an index of shards; real ones have some kilobytes."""
MAX_TOKENIZER_BYTES = 2**27
"""Of a tokenizer.json, unpacked; one of 250,000 entries has some 20 MB."""
MAX_WEIGHT_BYTES = 2**33
"""Of all weights of a checkpoint, as a file and as fp32; less where the machine has little memory."""
XZ_MEMORY = 2**28
"""For the dictionary of an xz file; the strongest preset needs 65 MiB."""


def read_bounded(path: Path, limit: int) -> bytes:
    """The content of an ordinary file of at most `limit` bytes.

    Raises FileError for a device, a pipe or a larger file, and OSError where it cannot be opened.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_size(path, size, limit)
        return file.read(size)


def open_file(path: Path) -> BinaryIO:
    """An ordinary file, open to be read. Raises FileError for a device or a pipe, OSError otherwise."""
    file = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileError(
            f"{path} is a device or a pipe, not a file; give an ordinary file.",
            key="file.special",
            path=str(path),
        )
    return file


def check_size(path: Path, size: int, limit: int) -> None:
    """Raise FileError where `size` bytes are more than `limit`."""
    if size > limit:
        raise FileError(
            f"{path} has {size:,} bytes, and at most {limit:,} are read; check that it is the right file.",
            key="file.large",
            path=str(path),
            size=size,
            limit=limit,
        )


def unpack_xz(path: Path, data: bytes, limit: int) -> bytes:
    """What the xz file with content `data` holds.

    Raises FileError beyond `limit` bytes, LZMAError where it is damaged, EOFError where it ended early.
    """
    unpacker = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
    content = unpacker.decompress(data, max_length=limit + 1)
    if len(content) > limit:
        raise _packed(path)
    if not unpacker.eof:
        raise EOFError(f"{path} ended early")
    return content


def check_archive(path: Path, file: BinaryIO, size: int) -> None:
    """Raise FileError for a zip archive of `size` bytes whose entries together are longer than itself.

    torch and NumPy store their entries as they are, so only a packed or overlapping archive is. Says nothing
    about a damaged one. Leaves the position in `file` at its start.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
        unpacked = 0
    file.seek(0)
    if unpacked > size:
        raise _packed(path)


def weight_limit() -> int:
    """Bytes of weights that are read here: MAX_WEIGHT_BYTES, or half of the memory if that is less."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows does not tell
        return MAX_WEIGHT_BYTES
    return min(MAX_WEIGHT_BYTES, memory // 2) if memory > 0 else MAX_WEIGHT_BYTES


def cannot_write(path: Path, error: OSError) -> FileError:
    """The error for a file that cannot be written, out of what the system said."""
    return FileError(
        f"Cannot write {path} ({error.strerror or error}): free some space or choose another place; "
        "what was there before is unchanged.",
        key="file.unwritable",
        path=str(path),
        reason=str(error.strerror or error),
    )


def _open_without_waiting(path: str, flags: int) -> int:
    """As `open` does, but a pipe without a writer is opened at once instead of waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _packed(path: Path) -> FileError:
    return FileError(
        f"{path} is packed so tightly that it could fill the memory; unpack it and give what it holds.",
        key="file.packed",
        path=str(path),
    )
