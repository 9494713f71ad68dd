"""The command line of the service, run from the project's folder.

    python -m serving serve --port 8000
    python -m serving serve --backend http://127.0.0.1:8001
    python -m serving cluster --nodes 2 --workers 2
    python -m serving ray --max-engines 2
    python -m serving load http://127.0.0.1:8000 --rate 20 --seconds 30

Exit codes: 0 done (a drain after SIGTERM is), 1 failed, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from minimind_core.command_options import print_json
from minimind_core.console import FAILED, run_in_shell
from minimind_core.errors import NO_MEMORY, ConfigError, MiniMindError, is_out_of_memory

USAGE, INTERRUPTED = 2, 130
COMMANDS = {
    "serve": ("serving.command", "answer requests over HTTP"),
    "worker": ("serving.scaleout.worker_command", "answer what API nodes put into a queue"),
    "cluster": ("serving.scaleout.cluster_command", "nginx, nodes, a Redis and workers on this machine"),
    "soak": ("serving.soak.command", "mixed load for minutes, and whether the service held"),
    "ray": ("serving.ray_serve.command", "the same on a Ray cluster, with as many engines as the load needs"),
    "load": ("serving.load.command", "send requests to such a service, and tell how long they waited"),
}
"""By name the module with `add_arguments` and `run`, and what it does."""


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


def _print_error(options: argparse.Namespace, sentence: str, code: int) -> int:
    if getattr(options, "json", False):
        print_json({"error": sentence})
    print(sentence, file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving", description="The model as a service.")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (home, summary) in COMMANDS.items():
        module = importlib.import_module(home)
        command = subparsers.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(run_in_shell(main))
