"""What a person wrote and did, kept: profiles, drafts, attempts; SQLite on this machine, PostgreSQL by URL.

    store = open_store()
    profile = store.profiles.named_or_new("Ada")
    store.drafts.save(profile.id, "q06", "answer", "Fewer KV heads …", revision=12)

Knows neither pages nor labs: results arrive as JSON data. Open one Store a process; all threads share it.
"""

from study.store.attempts import Attempt
from study.store.drafts import ANSWER, Copy, Draft, Saved
from study.store.errors import StoreError
from study.store.folder import data_folder
from study.store.opening import Store, open_store
from study.store.profiles import MAX_NAME, Profile
from study.store.transfer import Imported

__all__ = [
    "ANSWER", "MAX_NAME", "Attempt", "Copy", "Draft", "Imported", "Profile", "Saved", "Store",
    "StoreError", "data_folder", "open_store",
]
