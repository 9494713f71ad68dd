"""The load generator alone: `python -m serving.load URL`; `command.py` says what it does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from minimind_core.command_options import print_json
from minimind_core.console import FAILED, run_in_shell
from minimind_core.errors import ConfigError, MiniMindError
from serving.load import command

USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load test and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.load",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        return command.run(options)
    except MiniMindError as error:
        if options.json:
            print_json({"error": str(error)})
        print(error, file=sys.stderr)
        return USAGE if isinstance(error, ConfigError) else FAILED


if __name__ == "__main__":
    sys.exit(run_in_shell(main))
