"""The server: it starts once, outlives who started it, recovers, and says why it does not start."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from honed.errors import DirectoryInUse, ServerFailed
from honed.storage.cluster import launch_as, major_version
from honed.storage.db import Database
from honed.storage.programs import closed_folder, find_programs, server_account
from honed.storage.server import Server
from honed.testing.postgres import TEST_OPTIONS

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user")

START = """
import sys
from pathlib import Path
from honed.storage.server import Server
server = Server(Path(sys.argv[1]), options={"fsync": "off"})
server.start()
print(server.postmaster_pid(), flush=True)
"""
START_AND_STAY = f"{START}\nsys.stdin.read()"


def started(script: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def one(database: Database, statement: bytes) -> object:
    with database.connect(autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return next(iter(row.values()))


@pytest.fixture
def server(honed_home: Path) -> Server:
    return Server(honed_home / "data", options=TEST_OPTIONS)


def test_a_started_server_answers_without_tcp_and_a_stopped_one_does_not(server: Server) -> None:
    assert not server.is_running()
    server.start()
    assert one(Database(server.url()), b"SHOW listen_addresses") == ""
    server.stop()
    assert not server.is_running()
    with pytest.raises(ServerFailed, match="no server runs"):
        server.postmaster_pid()


def test_stopping_what_does_not_run_changes_nothing(server: Server) -> None:
    server.stop()
    assert not server.data_dir.exists()


def test_starting_twice_attaches(server: Server) -> None:
    server.start()
    again = Server(server.data_dir)
    again.start()
    assert again.postmaster_pid() == server.postmaster_pid()
    again.stop()
    assert not server.is_running()


def test_only_the_owner_may_enter_the_folders(server: Server) -> None:
    server.start()
    modes = {oct(path.stat().st_mode & 0o777) for path in (server.data_dir, server.socket_dir)}
    assert modes == {"0o700"}
    server.stop()


def test_the_server_outlives_a_killed_honed_and_the_next_start_attaches(server: Server) -> None:
    honed = started(START_AND_STAY, server.data_dir)
    assert honed.stdout is not None
    pid = int(honed.stdout.readline())
    kill(honed)
    assert server.is_running()
    server.start()
    assert server.postmaster_pid() == pid
    server.stop()


def test_a_killed_postmaster_is_replaced_and_nothing_committed_is_lost(honed_home: Path) -> None:
    server = Server(honed_home / "data")
    server.start()
    database = Database(server.url())
    with database.transaction() as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    killed = server.postmaster_pid()
    os.kill(killed, signal.SIGKILL)
    server.start()
    assert server.postmaster_pid() != killed
    assert one(database, b"SELECT count(*) FROM kept") == 1000
    server.stop()


def test_two_processes_that_start_at_once_share_one_server(server: Server) -> None:
    processes = [started(START, server.data_dir) for _ in range(3)]
    pids = {process.communicate()[0].strip() for process in processes}
    assert pids == {str(server.postmaster_pid())}
    server.stop()


def test_a_pid_file_that_names_a_living_stranger_does_not_prevent_a_start(server: Server) -> None:
    server.start()
    server.stop()
    account = server_account()
    user = account.uid if account else None
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, user=user) as stranger:
        pid_file = server.data_dir / "postmaster.pid"
        pid_file.write_text(f"{stranger.pid}\n{server.data_dir}\n0\n5432\n/nowhere\n\n0\nready\n")
        assert not server.is_running()
        server.start()
        assert server.postmaster_pid() != stranger.pid
        server.stop()


def test_a_directory_whose_server_somebody_else_started_is_refused(server: Server) -> None:
    server.start()
    server.stop()
    account = server_account()
    elsewhere = server.data_dir.with_name("elsewhere")
    elsewhere.mkdir()
    if account:
        os.chown(elsewhere, account.uid, account.gid)
    server.log_file.unlink()
    command = [str(server.program("postgres")), "-D", str(server.data_dir)]
    command += ["-c", "listen_addresses=", "-c", f"unix_socket_directories={elsewhere}"]
    with server.log_file.open("ab") as log:
        launch_as(account, command, log=server.log_file, lock=log.fileno())
    pid_file = server.data_dir / "postmaster.pid"
    while not pid_file.exists() or "ready" not in pid_file.read_text():
        assert "FATAL" not in server.log_file.read_text()  # and so the wait ends
    with pytest.raises(DirectoryInUse, match="did not start"):
        server.start()
    server.stop()


def test_a_deep_directory_gets_a_short_socket(honed_home: Path) -> None:
    deep = honed_home.joinpath(*["a-folder-with-a-long-name"] * 5)
    server = Server(deep / "data", options=TEST_OPTIONS)
    server.start()
    assert one(Database(server.url()), b"SELECT 1") == 1
    server.stop()
    server.socket_dir.rmdir()


def test_a_directory_that_holds_something_else_is_left_alone(server: Server) -> None:
    server.data_dir.mkdir()
    (server.data_dir / "letters").write_text("dear")
    with pytest.raises(ServerFailed, match="neither empty nor a data directory"):
        server.start()
    assert [path.name for path in server.data_dir.iterdir()] == ["letters"]


def test_a_server_that_does_not_start_gives_its_own_words(honed_home: Path) -> None:
    server = Server(honed_home / "data", options={"shared_buffers": "plenty"})
    with pytest.raises(ServerFailed, match='invalid value for parameter "shared_buffers"') as error:
        server.start()
    assert str(server.log_file) in error.value.hint


@pytest.mark.parametrize(
    ("words", "version"),
    [
        ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", 15),
        ("postgres (PostgreSQL) 18.1", 18),
        ("postgres (PostgreSQL) 19beta1", 19),
        ("postgres (PostgreSQL) 20devel", 20),
    ],
)
def test_programs_tell_their_version_before_it_is_released_too(words: str, version: int) -> None:
    assert major_version(words) == version


def test_programs_of_something_else_are_named() -> None:
    with pytest.raises(ServerFailed, match="call themselves busybox"):
        major_version("busybox 1.36")


def test_a_folder_without_programs_is_refused_with_a_hint(honed_home: Path) -> None:
    with pytest.raises(ServerFailed, match="no program postgres") as error:
        Server(honed_home / "data", binaries=honed_home).start()
    assert "postgres_bin" in error.value.hint


def test_the_last_of_two_users_stops_the_server(server: Server) -> None:
    other = Server(server.data_dir)
    server.join()
    other.join()
    server.leave()
    assert other.is_running()
    other.leave()
    assert not other.is_running()


@as_root
def test_a_home_that_the_servers_user_may_not_enter_is_refused(honed_home: Path) -> None:
    closed = honed_home / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ServerFailed, match="may not enter") as error:
        Server(closed / "home" / "data").start()
    assert str(closed) in str(error.value)
    assert closed.stat().st_mode & 0o777 == 0o700


@as_root
def test_an_ordinary_user_runs_its_own_server(honed_home: Path) -> None:
    account = server_account()
    assert account is not None
    if closed := closed_folder(find_programs(None, None), account):
        pytest.skip(f"{account.name} may not enter {closed}, where PostgreSQL's programs are")
    home = honed_home / "theirs"
    home.mkdir()
    os.chown(home, account.uid, account.gid)
    # Only then another user: the interpreter itself may be out of its reach.
    script = f"""
import os, sys
from honed.storage.db import Database
from honed.storage.server import Server
from pathlib import Path
os.setgroups([]); os.setgid({account.gid}); os.setuid({account.uid})
server = Server(Path(sys.argv[1]), options={{"fsync": "off"}})
server.start()
with Database(server.url()).transaction() as connection:
    assert connection.execute("SELECT 1 AS one").fetchone() == {{"one": 1}}
print(Path(f"/proc/{{server.postmaster_pid()}}").stat().st_uid)
server.stop()
"""
    with started(script, home / "new" / "data") as process:
        output = process.communicate()[0]
    assert output.split() == [str(account.uid)]
    assert (home / "new").stat().st_mode & 0o777 == 0o700


@as_root
def test_programs_out_of_reach_are_copied_once(honed_home: Path) -> None:
    account = server_account()
    installed = find_programs(None, None).parent.parent
    closed = honed_home / "closed"
    closed.mkdir(mode=0o700)
    for part in (installed, installed.with_name(f"{installed.name}.libs")):
        subprocess.run(["cp", "-a", str(part), str(closed)], check=True)
    script = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from honed.storage.programs import find_programs, server_account
print(find_programs(None, server_account(), copies=Path(sys.argv[2])))
"""
    runs = [started(script, closed, honed_home / "copies") for _ in range(2)]
    first, second = [Path(run.communicate()[0].strip()) for run in runs]
    assert first == second
    assert closed_folder(first, account) is None
    server = Server(honed_home / "data", binaries=first, options=TEST_OPTIONS)
    server.start()
    assert one(Database(server.url()), b"SELECT 1") == 1
    server.stop()
