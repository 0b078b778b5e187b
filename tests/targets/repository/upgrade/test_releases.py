"""Which release comes next, where it comes from, and that nothing of it runs."""

import json
import os
import stat
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from packaging.version import Version

from honed.errors import TargetUnavailable
from honed.storage.db import Database
from honed.targets.repository.upgrade.index import Releases
from honed.targets.repository.upgrade.installed import Installed
from honed.targets.repository.upgrade.layer import (
    about,
    drop_unneeded,
    layer_of,
    modules,
)
from honed.targets.repository.upgrade.releases import Wheel, next_step, step_name, wheels_of
from honed.testing.wheels import digest_of, make_python, make_wheel

NOW = datetime(2026, 1, 10, tzinfo=UTC)
TEXTS = {"tiny/__init__.py": "VALUE = 1\n", "tiny/data/x.txt": "x"}


def wheel(version: str, **more: object) -> Wheel:
    """Return a wheel of a version."""
    return Wheel(f"tiny-{version}-py3-none-any.whl", "/x", "0" * 64, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("current", "versions", "expected"),
    [
        ("1.0", ["0.9", "1.0"], None),
        ("1.0", ["1.0.1", "1.4", "2.0", "3.1"], "1.4"),
        ("1.4", ["1.4", "2.0", "2.3", "3.1"], "2.3"),
        ("1.0", ["1.1rc1", "1.1.dev2", "2.0b1"], None),
        # Before 1.0 anything may change with the second number.
        ("0.3.1", ["0.3.9", "0.4.0", "1.0"], "0.3.9"),
        ("0.3.9", ["0.4.0", "0.4.2", "0.5", "1.0"], "0.4.2"),
        ("0.9", ["1.0", "1.2", "2.0"], "1.2"),
        ("1.0", ["1.0.post1"], "1.0.post1"),
    ],
)
def test_one_major_version_at_a_time(
    current: str, versions: list[str], expected: str | None
) -> None:
    found = next_step([wheel(each) for each in versions], Version(current))
    assert (str(found.version) if found else None) == expected


def test_what_was_yanked_is_no_release() -> None:
    found = next_step([wheel("1.1"), wheel("1.2", is_yanked=True)], Version("1.0"))
    assert found == wheel("1.1")


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("1.0", "2.0", "major"),
        ("1.0", "1.1", "minor"),
        ("1.0.0", "1.0.1", "patch"),
        ("0.3", "0.4", "major"),
        ("0.3.1", "0.3.2", "patch"),
    ],
)
def test_steps_have_names(old: str, new: str, name: str) -> None:
    assert step_name(Version(old), Version(new)) == name


def test_a_young_release_waits_and_one_of_unknown_age_too() -> None:
    least = timedelta(days=3)
    assert wheel("1", uploaded_at=NOW - least).is_old_enough(NOW, least)
    assert not wheel("1", uploaded_at=NOW - least / 2).is_old_enough(NOW, least)
    assert not wheel("1").is_old_enough(NOW, least)
    assert wheel("1").is_old_enough(NOW, timedelta(0))


def page(*files: Mapping[str, object]) -> dict[str, object]:
    """Return a page of an index."""
    return {"meta": {"api-version": "1.1"}, "name": "tiny", "files": list(files)}


def test_an_index_tells_wheels_alone() -> None:
    good = {
        "filename": "tiny-1.1-py3-none-any.whl",
        "url": "../files/tiny-1.1-py3-none-any.whl",
        "hashes": {"sha256": "a" * 64},
        "requires-python": ">=3.8",
        "upload-time": "2026-01-01T00:00:00Z",
        "yanked": "it was wrong",
    }
    odd: list[dict[str, object]] = [
        {**good, "filename": "tiny-1.1.tar.gz"},
        {**good, "hashes": {}},
        {**good, "hashes": {"sha256": "../x"}},
        {**good, "url": "file:///etc/passwd"},
        {**good, "upload-time": "yesterday"},
        {},
    ]
    [found] = wheels_of(page(good, *odd), "https://index/simple/tiny/")
    assert found.url == "https://index/simple/files/tiny-1.1-py3-none-any.whl"
    assert found.uploaded_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert found.is_yanked


@pytest.mark.parametrize("told", [None, [], {}, {"files": 3}, {"files": [3, None, "x"]}])
def test_an_odd_page_tells_nothing(told: object) -> None:
    assert wheels_of(told, "https://index/simple/tiny/") == []


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Return the address of an index, and the folder that it serves."""
    folder = tmp_path / "served"
    (folder / "tiny").mkdir(parents=True)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = folder / self.path.strip("/")
            content = (place / "index.json" if place.is_dir() else place).read_bytes()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", folder
        finally:
            server.shutdown()
            thread.join()


def test_a_release_of_an_index_is_fetched_by_its_digest(
    served: tuple[str, Path], tmp_path: Path
) -> None:
    url, folder = served
    made = make_wheel(folder, "tiny", "1.1", TEXTS)
    told = {"filename": made.name, "url": f"/{made.name}", "hashes": {"sha256": digest_of(made)}}
    (folder / "tiny" / "index.json").write_text(json.dumps(page(told)))
    releases = Releases(url, None, tmp_path / "kept")
    [found] = releases.wheels("tiny")
    place = layer_of(found, releases, tmp_path / "layers")
    assert (place / "tiny" / "__init__.py").read_text() == "VALUE = 1\n"
    # It is asked once: what it said then is believed for hours.
    (folder / "tiny" / "index.json").unlink()
    assert releases.wheels("tiny") == [found]
    made.write_bytes(b"another")
    assert layer_of(found, releases, tmp_path / "layers") == place
    with pytest.raises(TargetUnavailable, match="not the file"):
        layer_of(found, releases, tmp_path / "others")


def test_layers_that_nobody_needs_are_dropped_and_made_again(
    store: Database, target_id: int, tmp_path: Path
) -> None:
    for name in ("asked", "fresh", "old"):
        make_wheel(tmp_path, name, "1.1", TEXTS)
    releases, folder = Releases("", tmp_path, tmp_path / "kept"), tmp_path / "layers"
    drop_unneeded(folder, store)
    wheels = {name: releases.wheels(name)[0] for name in ("asked", "fresh", "old")}
    places = {name: layer_of(wheel, releases, folder) for name, wheel in wheels.items()}
    for name in ("asked", "old"):
        os.utime(places[name], (0, 0))
    claim = {"parameters": {"wheel": wheels["asked"].to_json()}}
    with store.transaction() as conn:
        conn.execute(
            "INSERT INTO honed.improvement (target_id, kind, subject, state, hypothesis, priority,"
            " risk) VALUES (%s, 'upgrade_dependency', 'x', 'proposed', %s, 3, 5)",
            [target_id, json.dumps(claim)],
        )
    daemon = replace(store, role="honed_daemon")
    drop_unneeded(folder, daemon)
    assert {each.name for each in folder.iterdir()} == {
        places["asked"].name,
        places["fresh"].name,
    }
    with store.transaction() as conn:
        conn.execute("UPDATE honed.improvement SET state = 'refuted'")
    # Whoever asks for it uses it: it stays for another day.
    os.utime(places["asked"], (0, 0))
    assert layer_of(wheels["asked"], releases, folder) == places["asked"]
    drop_unneeded(folder, daemon)
    assert places["asked"].is_dir()
    os.utime(places["asked"], (0, 0))
    drop_unneeded(folder, daemon)
    assert [each.name for each in folder.iterdir()] == [places["fresh"].name]
    assert (layer_of(wheels["old"], releases, folder) / "tiny" / "__init__.py").is_file()


def test_an_index_that_is_away_says_so(tmp_path: Path) -> None:
    releases = Releases("http://127.0.0.1:9", None, tmp_path)
    with pytest.raises(TargetUnavailable, match="does not answer"):
        releases.wheels("tiny")


def test_a_folder_of_wheels_needs_no_index(tmp_path: Path) -> None:
    make_wheel(tmp_path, "Tiny_Money", "1.1", TEXTS)
    make_wheel(tmp_path, "other", "1.1", TEXTS)
    (tmp_path / "odd.whl").write_text("x")
    [found] = Releases("", tmp_path, tmp_path / "kept").wheels("tiny-money")
    assert found.version == Version("1.1")


def test_a_layer_says_what_it_is_and_all_may_read_it(tmp_path: Path) -> None:
    said = ["License-Expression: MIT", "Requires-Dist: other>=2"]
    made = make_wheel(tmp_path, "tiny", "1.1", TEXTS, said)
    found = Wheel(made.name, str(made), digest_of(made))
    releases = Releases("", tmp_path, tmp_path / "kept")
    before = os.umask(0o077)
    try:
        place = layer_of(found, releases, tmp_path / "layers")
    finally:
        os.umask(before)
    told = about(place)
    assert (str(told.version), told.licence, told.needs) == ("1.1", "MIT", ("other>=2",))
    assert modules(place) == {"tiny"}
    for each in (place, *place.rglob("*")):
        assert each.stat().st_mode & stat.S_IROTH


@pytest.mark.parametrize("path", ["../evil.py", "/evil.py", "tiny/../../evil.py", "a\\..\\b.py"])
def test_a_wheel_that_leads_elsewhere_is_none(path: str, tmp_path: Path) -> None:
    made = make_wheel(tmp_path / "w", "tiny", "1.1", {path: "x"})
    found = Wheel(made.name, str(made), digest_of(made))
    with pytest.raises(TargetUnavailable, match="leads elsewhere"):
        layer_of(found, Releases("", None, tmp_path), tmp_path / "layers")
    assert not list(tmp_path.rglob("evil.py"))


def test_a_broken_wheel_is_none_and_leaves_nothing(tmp_path: Path) -> None:
    made = make_wheel(tmp_path / "w", "tiny", "1.1", TEXTS)
    with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny/more.py", "X = 1\n" * 200)
        begin = archive.getinfo("tiny/more.py").header_offset + 30 + len("tiny/more.py")
    content = bytearray(made.read_bytes())
    content[begin : begin + 4] = b"\xff" * 4
    made.write_bytes(content)
    found = Wheel(made.name, str(made), digest_of(made))
    with pytest.raises(TargetUnavailable, match="is no wheel"):
        layer_of(found, Releases("", None, tmp_path), tmp_path / "layers")
    assert not list((tmp_path / "layers").iterdir())


def test_a_wheel_of_another_version_than_its_name_is_none(tmp_path: Path) -> None:
    made = make_wheel(tmp_path / "w", "tiny", "9.9", TEXTS)
    named = made.rename(made.with_name("tiny-1.1-py3-none-any.whl"))
    found = Wheel(named.name, str(named), digest_of(named))
    with pytest.raises(TargetUnavailable, match=r"its version is 9\.9"):
        layer_of(found, Releases("", None, tmp_path), tmp_path / "layers")
    assert not list((tmp_path / "layers").iterdir())


def test_a_time_without_a_zone_is_in_utc() -> None:
    told = {
        "filename": "tiny-1.1-py3-none-any.whl",
        "url": "x",
        "hashes": {"sha256": "a" * 64},
        "upload-time": "2026-01-01T00:00:00",
    }
    [found] = wheels_of(page(told), "https://index/simple/tiny/")
    assert found.is_old_enough(NOW, timedelta(days=3))


def test_what_a_release_says_of_itself_is_short(tmp_path: Path) -> None:
    licence = "Classifier: License :: " + "a" * 500 + "\n b\r\n Honed-Claim: 0"
    said = [licence, "Requires-Dist: y; python_version ~= 'z'"]
    made = make_wheel(tmp_path, "tiny", "1.1", TEXTS, said)
    found = Wheel(made.name, str(made), digest_of(made))
    told = about(layer_of(found, Releases("", None, tmp_path), tmp_path / "layers"))
    assert told.licence == "a" * 60
    assert Installed("3.12", {}).unmet(told.needs) == list(told.needs)


def test_scripts_of_a_wheel_are_left_out_and_libraries_moved(tmp_path: Path) -> None:
    data = {"tiny-1.1.data/scripts/run": "x", "tiny-1.1.data/purelib/more.py": "y"}
    made = make_wheel(tmp_path, "tiny", "1.1", {**TEXTS, **data})
    with zipfile.ZipFile(made) as archive:
        assert "tiny-1.1.data/scripts/run" in archive.namelist()
    place = layer_of(
        Wheel(made.name, str(made), digest_of(made)),
        Releases("", None, tmp_path),
        tmp_path / "layers",
    )
    assert (place / "more.py").read_text() == "y"
    assert not list(place.rglob("run"))


def test_what_is_installed_is_read_from_files(tmp_path: Path) -> None:
    said = ["Classifier: License :: OSI Approved :: MIT License"]
    made = make_wheel(tmp_path, "tiny", "1.1", TEXTS, said)
    found = Installed.of(make_python(tmp_path / "python", [made]))
    assert found is not None
    assert str(found.packages["tiny"].version) == "1.1"
    assert found.packages["tiny"].licence == "MIT License"
    assert wheel("1.1").fits(found.tags, f"{found.python}.99")
    assert not wheel("1.1", requires_python=">=4").fits(found.tags, f"{found.python}.99")
    strange = Wheel("tiny-1.1-cp27-cp27m-win32.whl", "/x", "")
    assert not strange.fits(found.tags, f"{found.python}.99")
    needs = ("tiny>=1", "tiny>=2", "missing; python_version < '3'", "missing", "x; extra == 'y'")
    assert found.unmet(needs) == ["tiny>=2", "missing"]


def test_of_what_is_no_python_nothing_is_known(tmp_path: Path) -> None:
    assert Installed.of(tmp_path / "bin" / "python") is None
