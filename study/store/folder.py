"""Where this user's study data live. Makes no folder and opens no file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

FILE_NAME = "study.sqlite3"


def data_folder() -> Path:
    """The user's data folder for this app, in the place the system has for it; `MINIMIND_DATA` names another.

    MINIMIND_DATA=~/study  ->  /home/ada/study
    """
    if named := os.environ.get("MINIMIND_DATA"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "minimind-lab/data"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/minimind-lab"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "minimind-lab"
