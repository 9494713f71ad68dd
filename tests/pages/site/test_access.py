"""When a token is asked for, and that it survives a restart."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit import config

from pages.ui.site import access, origin


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of homes of a machine whose only account is ours, with the token left to decide."""
    monkeypatch.delenv(access.VARIABLE)
    monkeypatch.delenv(origin.VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "homes" / "me"))
    monkeypatch.setattr(pwd, "getpwall", list)
    (tmp_path / "homes" / "me" / ".ssh").mkdir(parents=True)
    return tmp_path / "homes"


def add_home(machine: Path, monkeypatch: pytest.MonkeyPatch, *, used: bool, owner: int = 1234) -> Path:
    home = machine / "ada"
    (home / ".ssh" if used else home).mkdir(parents=True)
    stat = Path.stat

    def owned(path: Path, **options: bool) -> os.stat_result:
        found = stat(path, **options)
        return os.stat_result((*found[:4], owner, *found[5:10])) if path == home else found

    monkeypatch.setattr(Path, "stat", owned)
    return home


def test_alone_on_a_machine_nobody_needs_a_token(machine: Path) -> None:
    assert access.key() is None


@pytest.mark.parametrize(
    ("used", "owner", "asked"), [(True, 1234, True), (False, 1234, False), (True, 33, False)]
)
def test_somebody_else_who_works_here_makes_it_needed(
    machine: Path, monkeypatch: pytest.MonkeyPatch, used: bool, owner: int, asked: bool
) -> None:
    """An account that only a package made has worked in no home; the system's own are no people."""
    add_home(machine, monkeypatch, used=used, owner=owner)
    assert (access.key() is not None) == asked


@pytest.mark.parametrize(("shell", "asked"), [("/bin/bash", True), ("/usr/sbin/nologin", False)])
def test_a_home_elsewhere_counts_where_its_account_can_log_in(
    machine: Path, monkeypatch: pytest.MonkeyPatch, shell: str, asked: bool
) -> None:
    home = add_home(machine.parent / "elsewhere", monkeypatch, used=True)
    account = SimpleNamespace(pw_uid=1234, pw_dir=str(home), pw_shell=shell)
    monkeypatch.setattr(pwd, "getpwall", lambda: [account])
    assert (access.key() is not None) == asked


def test_a_team_server_has_logins_instead(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_home(machine, monkeypatch, used=True)
    monkeypatch.setenv(origin.VARIABLE, "https://study.example.org")
    assert access.key() is None
    monkeypatch.delenv(origin.VARIABLE)
    address = config.get_option("server.address")
    config.set_option("server.address", "0.0.0.0")
    try:
        assert access.key() is None
    finally:
        config.set_option("server.address", address)
    assert access.key() is not None


def test_the_flag_decides(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(access.VARIABLE, "on")
    assert access.key() is not None
    monkeypatch.setenv(access.VARIABLE, "a token of my own choice")
    key = access.key()
    assert key is not None and key.opens("a token of my own choice")
    add_home(machine, monkeypatch, used=True)
    monkeypatch.setenv(access.VARIABLE, "off")
    assert access.key() is None
    monkeypatch.setenv(access.VARIABLE, "yes")
    with pytest.raises(ValueError, match="16 characters"):
        access.key()


def test_each_start_has_its_token_and_browsers_stay_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(access.VARIABLE, "on")
    first, second = access.key(), access.key()
    assert first is not None and second is not None
    assert first.token != second.token and first.cookie == second.cookie
    assert second.known({access.cookie_name(): first.cookie})
    assert (tmp_path / "token.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "token.key").unlink()
    third = access.key()
    assert third is not None and third.cookie != first.cookie, "without its file all browsers are out"


def test_another_token_of_ones_own_throws_browsers_out(monkeypatch: pytest.MonkeyPatch) -> None:
    cookies: list[access.Key | None] = []
    for own in ("the first long token", "the second long token"):
        monkeypatch.setenv(access.VARIABLE, own)
        cookies.append(access.key())
    first, second = cookies
    assert first is not None and second is not None and first.cookie != second.cookie


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_secret_is_made_anew(
    content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(access.VARIABLE, "on")
    (tmp_path / "token.key").write_bytes(content)
    first, second = access.key(), access.key()
    assert first is not None and second is not None and first.cookie == second.cookie
    assert (tmp_path / "token.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["pipe", "endless"])
def test_what_is_no_file_in_the_place_of_the_secret_is_replaced(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(access.VARIABLE, "on")
    place = tmp_path / "token.key"
    os.mkfifo(place) if kind == "pipe" else place.symlink_to("/dev/zero")
    assert access.key() is not None
    assert place.is_file() and not place.is_symlink()


def test_where_nothing_can_be_kept_the_token_still_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(access.VARIABLE, "on")
    (tmp_path / "a file").touch()
    monkeypatch.setenv("MINIMIND_DATA", str(tmp_path / "a file" / "below"))
    assert access.key() is not None
