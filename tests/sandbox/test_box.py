"""A box sees what it names and nothing else; what would be too much is refused."""

import os
import socket
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from honed.errors import ConfigurationError
from honed.sandbox.account import box_account, lend
from honed.sandbox.box import Box, Ended, Limits
from honed.sandbox.command import command, prefixes
from honed.sandbox.run import run
from honed.storage.server import PORT, Server

PYTHON = Path(sys.executable)
InBox = Callable[..., Ended]


def test_what_is_lent_is_written_in_place(in_box: InBox, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "old").write_text("old")
    tmp_path.chmod(0o700)
    lend(folder)
    write = "open('below/old', 'a').write(' and new'); open('made', 'w').write('made')"
    box = Box(PYTHON, writes={folder: "/box"}, folder="/box")
    assert in_box(write, box=box).is_success
    assert (folder / "below" / "old").read_text() == "old and new"
    assert (folder / "made").read_text() == "made"


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root lends nothing")
def test_lending_follows_no_link_and_gives_away_nothing_that_is_elsewhere_too(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("linked", "named twice"):
        (tmp_path / name).write_text("mine")
    (folder / "link").symlink_to(tmp_path / "linked")
    (folder / "name").hardlink_to(tmp_path / "named twice")
    (folder / "file").write_text("yours")
    lend(folder)
    account = box_account()
    assert account
    assert (folder / "file").stat().st_uid == account.uid
    assert (tmp_path / "linked").stat().st_uid == 0
    assert (tmp_path / "named twice").stat().st_uid == 0


def test_a_virtual_environment_brings_what_it_was_made_from(in_box: InBox, tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", symlinks=True)
    python = tmp_path / "environment" / "bin" / "python"
    assert tmp_path / "environment" in prefixes(python)
    ended = in_box("pass", box=Box(python))
    assert ended.is_success, ended
    show = [str(python), "-I", "-c", "import sys, json; print(sys.prefix)"]
    assert run(Box(python), show).out.decode().strip() == str(tmp_path / "environment")


def test_a_disposable_server_can_be_bound_in(in_box: InBox, session_folder: Path) -> None:
    server = Server(
        session_folder / "disposable",
        options={"fsync": "off", "unix_socket_permissions": "0777"},
    )
    server.start()
    try:
        path = server.socket_dir / f".s.PGSQL.{PORT}"
        ask = f"""
import psycopg
with psycopg.connect({server.url()!r}) as connection:
    print(connection.execute("SELECT 6 * 7").fetchone()[0])
"""
        ended = in_box(ask, box=Box(PYTHON, sockets=(path,)))
        assert ended.out == b"42\n", ended.err
    finally:
        server.stop()


def test_variables_are_those_of_the_box(in_box: InBox) -> None:
    box = Box(PYTHON, environment={"SEED": "7", "TZ": "Europe/Berlin"})
    ended = in_box("import os; print(*map(os.getenv, ['SEED', 'TZ', 'HOME']))", box=box)
    assert ended.out == b"7 Europe/Berlin /tmp\n"


@pytest.mark.parametrize(
    "reads", [Path("/"), Path("/etc"), Path("/root"), Path.home(), Path("/var/../proc")]
)
def test_a_box_that_would_see_too_much_is_refused(reads: Path) -> None:
    with pytest.raises(ConfigurationError, match="may not see all of"):
        command(Box(PYTHON, reads=(reads,)), ["true"], Limits(), status_fd=2)


def test_a_socket_that_makes_its_user_root_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        with pytest.raises(ConfigurationError, match="is root"):
            command(Box(PYTHON, sockets=(path,)), ["true"], Limits(), status_fd=2)


@pytest.mark.parametrize("target", [Path("/"), Path("/etc"), Path.home()])
def test_a_link_to_what_is_too_much_is_refused(tmp_path: Path, target: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(target)
    for box in (Box(PYTHON, reads=(link,)), Box(PYTHON, writes={link: "/box"})):
        with pytest.raises(ConfigurationError, match=f"link, which is {target}"):
            command(box, ["true"], Limits(), status_fd=2)


def test_a_socket_that_makes_its_user_root_is_refused_by_another_name(tmp_path: Path) -> None:
    path, link = tmp_path / "docker.sock", tmp_path / "harmless"
    link.symlink_to(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        with pytest.raises(ConfigurationError, match="is root"):
            command(Box(PYTHON, sockets=(link,)), ["true"], Limits(), status_fd=2)


def test_an_environment_that_names_a_folder_without_python_is_refused(tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", symlinks=True)
    secret = tmp_path / "secret"
    (secret / "bin").mkdir(parents=True)
    (secret / "bin" / "python3").write_text("not a program")
    config = tmp_path / "environment" / "pyvenv.cfg"
    for home in (secret / "bin", "bin", "", "/"):
        config.write_text(f"home = {home}\n")
        with pytest.raises(ConfigurationError, match="where there is no Python"):
            prefixes(tmp_path / "environment" / "bin" / "python")


def test_an_environment_whose_installation_is_a_link_to_everything_is_refused(
    tmp_path: Path,
) -> None:
    venv.create(tmp_path / "environment", symlinks=True)
    (tmp_path / "all").symlink_to("/")
    (tmp_path / "environment" / "pyvenv.cfg").write_text(f"home = {tmp_path / 'all' / 'bin'}\n")
    box = Box(tmp_path / "environment" / "bin" / "python")
    with pytest.raises(ConfigurationError, match="all, which is /"):
        command(box, ["true"], Limits(), status_fd=2)


def test_an_interpreter_of_links_that_lead_to_each_other_is_none(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(tmp_path / "python3")
    (tmp_path / "python3").symlink_to(tmp_path / "python")
    with pytest.raises(ConfigurationError, match="no Python interpreter"):
        prefixes(tmp_path / "python")


@pytest.mark.parametrize("place", ["/usr", "/", "work", str(PYTHON.parent.parent)])
def test_a_folder_that_would_hide_what_the_box_needs_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(ConfigurationError, match="may not appear"):
        command(Box(PYTHON, writes={tmp_path: place}), ["true"], Limits(), status_fd=2)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    for box in (
        Box(PYTHON, reads=(gone,)),
        Box(PYTHON, writes={gone: "/box"}),
        Box(gone),
    ):
        with pytest.raises(ConfigurationError, match="gone"):
            command(box, ["true"], Limits(), status_fd=2)


def test_the_interpreters_own_folders_are_all_that_it_needs(box: Box) -> None:
    asked = "import sys; print(sys.prefix, sys.base_prefix)"
    done = subprocess.run([PYTHON, "-c", asked], capture_output=True, text=True, check=True)
    for prefix in map(Path, done.stdout.split()):
        assert prefix.is_relative_to("/usr") or prefix in prefixes(box.python)
    assert prefixes(replace(box, python=Path("/usr/bin/env")).python) == ()
