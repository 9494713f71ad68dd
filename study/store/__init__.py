"""What a person wrote and did, kept: profiles, drafts, attempts, interviews; SQLite here, PostgreSQL by URL.

    store = open_store()
    profile = store.profiles.named_or_new("Ada")
    store.drafts.save(profile.id, "q06", "answer", "Fewer KV heads …", revision=12)

Knows neither pages nor labs: results arrive as JSON data. Open one Store a process; all threads share it.
Names are imported when they are first asked for (PEP 562): SQLAlchemy costs 0.3 s, which the first page of
a fresh server need not wait for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.store.attempts import Attempt
    from study.store.drafts import ANSWER, Copy, Draft, Saved
    from study.store.errors import StoreError
    from study.store.folder import data_folder
    from study.store.interview_rows import Event, Interview
    from study.store.opening import Store, open_store
    from study.store.panels import Member
    from study.store.profiles import MAX_NAME, Profile
    from study.store.transfer import Imported

_HOMES = {
    "Attempt": "attempts",
    "ANSWER": "drafts",
    "Copy": "drafts",
    "Draft": "drafts",
    "Saved": "drafts",
    "StoreError": "errors",
    "data_folder": "folder",
    "Event": "interview_rows",
    "Interview": "interview_rows",
    "Member": "panels",
    "Store": "opening",
    "open_store": "opening",
    "MAX_NAME": "profiles",
    "Profile": "profiles",
    "Imported": "transfer",
}

__all__ = [
    "ANSWER",
    "MAX_NAME",
    "Attempt",
    "Copy",
    "Draft",
    "Event",
    "Imported",
    "Interview",
    "Member",
    "Profile",
    "Saved",
    "Store",
    "StoreError",
    "data_folder",
    "open_store",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
