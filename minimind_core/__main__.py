"""The command line of the model, run from the project's folder.

    python -m minimind_core generate --prompt 今天天气 --temperature 0.7 --seed 1
    python -m minimind_core info --json
    python -m minimind_core doctor

With --json standard output is one JSON object and nothing else; what is meant for people goes to
standard error. Exit codes: 0 done, 1 failed or disagrees, 2 usage, 130 interrupted. A command is one file
in `commands/`; this module finds it, runs it and turns its errors into one sentence.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import TextIO

from minimind_core import commands
from minimind_core.command_options import print_json
from minimind_core.errors import ConfigError, MiniMindError

FAILED, USAGE, INTERRUPTED = 1, 2, 130
NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")
"""What torch's errors contain on a GPU, on Windows and on Linux."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Argparse itself ends the process (2) for a wrong option."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except MiniMindError as error:
        return _print_error(options, str(error), USAGE if isinstance(error, ConfigError) else FAILED)
    except KeyboardInterrupt:
        return _print_error(options, "Interrupted.", INTERRUPTED)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in NO_MEMORY):
            raise
        return _print_error(
            options, "There is not enough memory for this; ask for fewer tokens at a time.", FAILED
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m minimind_core", description="Run, score, train and convert the model without the app."
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command_file in pkgutil.iter_modules(commands.__path__):
        module = importlib.import_module(f"{commands.__name__}.{command_file.name}")
        command = subparsers.add_parser(
            command_file.name.rstrip("_"),
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _print_error(options: argparse.Namespace, sentence: str, code: int) -> int:
    if getattr(options, "json", False):
        print_json({"error": sentence})
    print(sentence, file=sys.stderr)
    return code


def _start() -> int:
    """`main` for a shell: any text can be printed, and output that cannot be written is one sentence at most.

    A reader that went away (`| head`) needs none; where an output is closed (`>&-`), nobody wants it.
    """
    sys.stdout, sys.stderr = (
        output or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w") for output in (sys.stdout, sys.stderr)
    )
    for output in (sys.stdout, sys.stderr):
        output.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    try:
        code = main()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _silence(sys.stdout)
        return FAILED
    except OSError as error:  # a disk that is full; what commands read and write has sentences of its own
        _silence(sys.stdout)
        try:
            what = "the output" if error.filename is None else error.filename
            print(f"Cannot write {what} ({error.strerror}); free some space.", file=sys.stderr, flush=True)
        except OSError:
            _silence(sys.stderr)
        return FAILED


def _silence(output: TextIO) -> None:
    """Let what is still to be written go nowhere, so that the end of the interpreter does not fail too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())


if __name__ == "__main__":
    sys.exit(_start())
