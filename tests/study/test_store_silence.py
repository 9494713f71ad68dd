"""A PostgreSQL that takes connections and never answers, or works for ever, costs seconds and a sentence."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from study.store import Store, StoreError, open_store
from study.store.circuit import RETRY_SECONDS
from tests.study.relay import Relay, relaying

SOON = 30.0
"""Far below what a wait without an end takes, and above what a loaded machine needs."""


@contextmanager
def soon() -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < SOON


@pytest.fixture
def relay(postgres_server: str) -> Iterator[Relay]:
    folder = make_url(postgres_server).query["host"]
    with relaying(f"{folder}/.s.PGSQL.5432") as relay:
        yield relay


@pytest.fixture
def admin(database: str) -> Iterator[Engine]:
    engine = create_engine(database)
    yield engine
    engine.dispose()


@pytest.fixture
def store(database: str, relay: Relay) -> Iterator[Store]:
    opened = open_store(f"postgresql://study@127.0.0.1:{relay.port}/postgres", answer_seconds=1.0)
    yield opened
    opened.close()


pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def test_a_server_that_never_answers_is_given_up_when_it_is_opened_and_not_asked_again(database: str) -> None:
    with relaying(None) as nobody:
        for _ in range(20):
            with soon(), pytest.raises(StoreError, match="does not answer") as caught:
                open_store(f"postgresql://study@127.0.0.1:{nobody.port}/postgres")
            assert caught.value.key == "store.silent" and caught.value.values["place"]
        assert nobody.connections == 1, "nineteen were told at once"


@pytest.mark.parametrize("in_the_middle", [False, True])
def test_a_server_that_falls_silent_is_given_up_and_found_again(
    store: Store, relay: Relay, in_the_middle: bool
) -> None:
    ada = store.profiles.create("Ada").id
    assert store.drafts.save(ada, "q06", "answer", "text", 1).accepted
    with soon(), pytest.raises(StoreError, match="does not answer"):
        if in_the_middle:
            with store._database.write() as connection:
                connection.execute(text("UPDATE profiles SET name = 'Bob'"))
                relay.silent.set()
                connection.execute(text("SELECT 1"))
        else:
            relay.silent.set()
            store.drafts.save(ada, "q06", "answer", "more text", 2)
    connections = relay.connections
    for _ in range(3):
        with pytest.raises(StoreError, match="does not answer"):
            store.drafts.of(ada)
    assert relay.connections == connections
    relay.silent.clear()
    circuit = store._database.circuit
    circuit.clock = lambda: time.monotonic() + RETRY_SECONDS
    [draft] = store.drafts.of(ada)
    assert draft.text == "text" and store.drafts.save(ada, "q06", "answer", "more text", 2).accepted
    assert [profile.name for profile in store.profiles.named()] == ["Ada"]


def test_a_statement_without_an_end_is_ended_and_the_connection_stays(store: Store) -> None:
    with soon(), pytest.raises(StoreError, match="too busy: try again"), store._database.read() as connection:
        connection.execute(text("SELECT pg_sleep(600)"))
    with store._database.read() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_what_another_holds_is_waited_for_a_moment(store: Store, admin: Engine) -> None:
    ada = store.profiles.create("Ada").id
    with admin.begin() as other:
        other.execute(text("LOCK TABLE drafts IN ACCESS EXCLUSIVE MODE"))
        with soon(), pytest.raises(StoreError, match="too busy: try again"):
            store.drafts.save(ada, "q06", "answer", "text", 1)
        with soon(), pytest.raises(StoreError, match="too busy: try again"):
            store.drafts.of(ada)
    assert store.drafts.save(ada, "q06", "answer", "text", 1).accepted
