"""What only a PostgreSQL server does: it goes away and comes back, and it has roles and encodings."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine, create_engine, make_url, text

from study.store import StoreError, open_store


@pytest.fixture
def admin(postgres_server: str) -> Iterator[Engine]:
    """Each statement on its own, as `CREATE DATABASE` wants it; databases and roles of a test go after it."""
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    yield engine
    with engine.connect() as connection:
        names = connection.execute(text("SELECT datname FROM pg_database WHERE datname LIKE 'test_%'"))
        for name in names.scalars().all():
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        connection.execute(text("DROP ROLE IF EXISTS guest"))
    engine.dispose()


def made(admin: Engine, name: str, options: str = "") -> URL:
    """A database of its own."""
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} {options}"))
    return admin.url.set(database=name)


def end_connections(admin: Engine, database: URL) -> None:
    """As a server does that restarts."""
    with admin.connect() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": database.database},
        )


def test_work_goes_on_after_the_server_was_away(admin: Engine) -> None:
    address = made(admin, "test_away")
    store = open_store(address.render_as_string(hide_password=False))
    ada = store.profiles.create("Ada").id
    end_connections(admin, address)
    assert store.drafts.save(ada, "q06", "answer", "text", 1).accepted
    with admin.connect() as connection:
        connection.execute(text("ALTER DATABASE test_away ALLOW_CONNECTIONS false"))
    end_connections(admin, address)
    with pytest.raises(StoreError, match="does not answer: check that it runs and lets us in"):
        store.drafts.save(ada, "q06", "answer", "more text", 2)
    with admin.connect() as connection:
        connection.execute(text("ALTER DATABASE test_away ALLOW_CONNECTIONS true"))
    [draft] = store.drafts.of(ada)
    assert draft.text == "text" and store.drafts.save(ada, "q06", "answer", "more text", 2).accepted
    store.close()


def test_a_connection_that_ends_in_the_middle_leaves_nothing_half_done(admin: Engine) -> None:
    address = made(admin, "test_middle")
    store = open_store(address.render_as_string(hide_password=False))
    ada = store.profiles.create("Ada").id
    with pytest.raises(StoreError, match="does not answer"), store._database.write() as connection:
        connection.execute(text("UPDATE profiles SET name = 'Bob'"))
        end_connections(admin, address)
        connection.execute(text("UPDATE profiles SET name = 'Eve'"))
    assert store.profiles.find(ada).name == "Ada"  # type: ignore[union-attr]
    store.close()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_many_servers_may_open_one_empty_database_at_once(database: str) -> None:
    ready, opened, failures = threading.Barrier(6), [], []

    def open_one() -> None:
        ready.wait()
        try:
            opened.append(open_store())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(opened) == 6
    for store in opened:
        store.close()


def test_a_role_that_may_not_make_tables_is_told_what_to_ask_for(admin: Engine) -> None:
    address = made(admin, "test_rights").set(username="guest")
    with admin.connect() as connection:
        connection.execute(text("CREATE ROLE guest LOGIN"))
    with pytest.raises(StoreError, match=r"lets us in, but not .*GRANT"):
        open_store(address.render_as_string())


def test_a_database_that_only_lets_us_read_says_so(admin: Engine) -> None:
    address = made(admin, "test_standby")
    store = open_store(address.render_as_string())
    store.profiles.create("Ada")
    with admin.connect() as connection:
        connection.execute(text("ALTER DATABASE test_standby SET default_transaction_read_only = on"))
    end_connections(admin, address)
    assert [profile.name for profile in store.profiles.named()] == ["Ada"]
    with pytest.raises(StoreError, match="only lets us read"):
        store.profiles.create("Bob")
    store.close()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused_before_anybody_types(
    admin: Engine, encoding: str
) -> None:
    address = made(admin, "test_latin", f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreError, match="ENCODING 'UTF8'"):
        open_store(address.render_as_string())


def test_a_server_or_database_that_is_not_there_does_not_answer(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match="does not answer"):
        open_store(make_url(postgres_server).set(database="nowhere").render_as_string())
    monkeypatch.setenv("MINIMIND_DATABASE", "postgresql://ada:secret@127.0.0.1:1/study?connect_timeout=1")
    with pytest.raises(StoreError, match="does not answer") as caught:
        open_store()
    assert "secret" not in str(caught.value)


def test_a_password_is_never_shown(postgres_server: str) -> None:
    address = make_url(postgres_server).set(password="secret").update_query_dict({"password": "hidden"})
    store = open_store(address.render_as_string(hide_password=False))
    assert (
        store.place.startswith("postgresql") and "secret" not in store.place and "hidden" not in store.place
    )
    store.close()


def test_without_its_driver_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r'pip install "psycopg\[binary\]"'):
        open_store("postgresql://ada@127.0.0.1/study")
