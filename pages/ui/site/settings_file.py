"""What this server remembers of its machine between starts: `settings.json` in the data folder.

A file of its own, not the store: devices and paths are this machine's also where a team shares one
database, and they must be readable when the store is not. The environment (VARIABLES) wins over it.
Holds nothing that a person wrote. A file that is damaged counts as empty.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from labs.runner.exchange import RunnerSettings
from minimind_core.atomic_file import write_whole
from minimind_core.bounded import MAX_JSON_BYTES, read_bounded
from minimind_core.errors import FileError, Sentence
from study.store import data_folder

PROFILE = "profile"
"""Key of the profile that was chosen last at this machine."""
PROFILE_NAME = "profile_name"
"""Key of its name, by which browsers keep drafts: it must be known while the store is away."""
VARIABLES = {"device": "MINIMIND_DEVICE", "model": "MINIMIND_MODEL", "runner": "MINIMIND_RUNNER"}
CHOSEN = ("device", "dtype", "model")
"""What the settings page chooses; where the labs run, the environment alone decides."""
_writing = threading.Lock()


def runner_settings() -> RunnerSettings:
    """What the labs start on: what the environment says, else what was kept, else the default."""
    kept = {name: value for name, value in read().items() if name in CHOSEN}
    return RunnerSettings(**{**kept, **fixed()})


def fixed() -> dict[str, str]:
    """The settings that the environment decides, by the names of RunnerSettings."""
    return {name: os.environ[variable] for name, variable in VARIABLES.items() if os.environ.get(variable)}


def keep(settings: RunnerSettings) -> str:
    """Keep what was chosen, but not what the environment decides. Returns "", or why it cannot be kept."""
    decided = fixed()
    try:
        write({name: getattr(settings, name) for name in CHOSEN if name not in decided})
    except OSError as error:
        return Sentence(
            f"{_path()} cannot be written ({error.strerror}): the settings hold until the app ends.",
            "settings.unwritable",
            {"path": str(_path()), "reason": error.strerror},
        )
    return ""


def read() -> dict[str, str]:
    """The settings in the file by name; empty where there is none, or a damaged one."""
    try:
        content = json.loads(read_bounded(_path(), MAX_JSON_BYTES))
    except (OSError, FileError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: value for name, value in content.items() if isinstance(value, str)}


def write(changes: dict[str, str]) -> None:
    """Add `changes` to the file, wholly or not at all. Raises OSError."""
    with _writing:
        _path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps(read() | changes, ensure_ascii=False, indent=1)
        write_whole(_path(), text)


def _path() -> Path:
    return data_folder() / "settings.json"
