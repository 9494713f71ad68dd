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
import pkgutil
import sys
from collections.abc import Sequence

from minimind_core import commands
from minimind_core.command_options import print_json
from minimind_core.console import FAILED, run_in_shell
from minimind_core.errors import NO_MEMORY, ConfigError, MiniMindError, is_out_of_memory

USAGE, INTERRUPTED = 2, 130


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
        if not is_out_of_memory(error):
            raise
        return _print_error(options, NO_MEMORY, FAILED)


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


if __name__ == "__main__":
    sys.exit(run_in_shell(main))
