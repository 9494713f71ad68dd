"""Runs a command line for a shell: any text comes in and goes out, and an output that ends early is no error.

Shared by `python -m minimind_core` and `python -m labs`. Loads no torch.
"""

from __future__ import annotations

import codecs
import errno
import os
import sys
from collections.abc import Callable

from minimind_core.errors import DataError
from minimind_core.training.text_lines import encoding_of

FAILED = 1
_OUTPUT_GONE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EBADF)
"""What a write to a full disk, over a quota, to a broken or to a closed output raises."""


def run_in_shell(main: Callable[[], int]) -> int:
    """The exit code of `main`, which prints in UTF-8 whatever the locale says.

    A reader that went away (`| head`) ends the command quietly with 1. An output that cannot be written
    (`> /dev/full`) ends it with 1 and one sentence on standard error. A closed output (`>&-`) is no failure.
    """
    _open_outputs()
    try:
        try:
            return main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return FAILED
    except OSError as error:
        if error.filename is not None or error.errno not in _OUTPUT_GONE:
            raise
        _discard_output()
        print(f"The output cannot be written ({error.strerror}); write it elsewhere.", file=sys.stderr)
        return FAILED


def read_input(most: int) -> str:
    """Standard input as it was written, to its end or until there are more than `most` characters.

    In any encoding of Unicode, whatever the locale says; what is in none is read in the locale's, as somebody
    has typed it. Raises DataError where it is in neither, or closed.
    """
    if sys.stdin is None:
        raise DataError("Standard input is closed; give the text as an argument.")
    longest = 4 * (most + 1)  # bytes: no character of Unicode has more
    data = sys.stdin.buffer.read(longest)
    encoding, mark = encoding_of(data[:8])
    for name in (encoding, sys.stdin.encoding):
        try:
            text = codecs.getincrementaldecoder(name)().decode(data[mark:], final=len(data) < longest)
        except UnicodeDecodeError:
            continue
        return text.replace("\r\n", "\n").replace("\r", "\n")
    raise DataError("Standard input is in no encoding of Unicode; write it as UTF-8.")


def _open_outputs() -> None:
    for name in ("stdout", "stderr"):
        output = getattr(sys, name)
        if output is None:  # the shell closed it: `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        else:
            output.reconfigure(encoding="utf-8", errors="replace")


def _discard_output() -> None:
    """Send what is still buffered to nowhere; Python would try once more to print it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
