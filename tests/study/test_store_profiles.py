"""Profiles: named on this machine, ids by an identity elsewhere, deleted with everything."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from study.store import Store, StoreError


def test_named_profiles_are_listed_in_the_order_they_came(store: Store) -> None:
    for name in ("Ada", "小明", "a%_b"):
        store.profiles.create(name)
    assert [profile.name for profile in store.profiles.named()] == ["Ada", "小明", "a%_b"]


@pytest.mark.parametrize("name", ["Ada", "ada", " ADA  ", "A\ufeffda".replace("\ufeff", "")])
def test_a_name_is_taken_whatever_its_case_and_spaces(store: Store, ada: str, name: str) -> None:
    with pytest.raises(StoreError, match="named Ada already"):
        store.profiles.create(name)
    assert store.profiles.named_or_new(name).id == ada


def test_composed_and_decomposed_names_are_one(store: Store) -> None:
    assert store.profiles.create("Zo\u00eb").id == store.profiles.named_or_new("Zoe\u0308").id


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\u202eb", "bell\a"])
def test_a_name_that_nobody_could_read_is_refused(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="choose another"):
        store.profiles.create(name)


def test_an_identity_finds_its_profile_and_is_neither_listed_nor_kept(store: Store, place: Path) -> None:
    guest = store.profiles.for_identity("secret-cookie", "Guest")
    assert store.profiles.for_identity("secret-cookie", "Somebody") == guest
    assert store.profiles.for_identity("another", "Guest").id != guest.id
    assert store.profiles.named() == () and store.profiles.find(guest.id) == guest
    store.close()
    assert not place.exists() or b"secret-cookie" not in place.read_bytes()


def test_renaming(store: Store, ada: str) -> None:
    store.profiles.create("Bob")
    assert store.profiles.rename(ada, "Ada L.").name == "Ada L."
    with pytest.raises(StoreError, match="named bob already"):
        store.profiles.rename(ada, "bob")
    assert [profile.name for profile in store.profiles.named()] == ["Ada L.", "Bob"]
    with pytest.raises(StoreError, match="no longer exists"):
        store.profiles.rename("nobody", "Eve")
    guest = store.profiles.for_identity("cookie", "Guest")
    assert store.profiles.rename(guest.id, "Bob") == store.profiles.for_identity("cookie", "Guest")


def test_the_first_visit_in_many_tabs_makes_one_profile(store: Store) -> None:
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(store.profiles.named_or_new("Me").id)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8 and len(set(ids)) == 1


def test_deleting_a_profile_deletes_all_of_it_and_nothing_else(store: Store, ada: str, place: Path) -> None:
    bob = store.profiles.create("Bob").id
    for profile in (ada, bob):
        store.drafts.save(profile, "q06", "answer", f"a secret of {profile}", 2)
        store.drafts.save(profile, "q06", "answer", f"another secret of {profile}", 1)
        store.attempts.update(store.attempts.open(profile, "q06"), text=f"the third secret of {profile}")
    store.profiles.delete(ada)
    assert store.profiles.find(ada) is None and [p.id for p in store.profiles.named()] == [bob]
    assert not store.drafts.of(ada) and not store.drafts.copies(ada) and not store.attempts.of(ada)
    assert store.drafts.of(bob) and store.drafts.copies(bob) and store.attempts.of(bob)
    files = [path.read_bytes() for path in place.parent.iterdir()]
    assert not any(f"secret of {ada}".encode() in content for content in files)
    store.profiles.delete(ada)  # again: nothing happens
