"""Small wheels, and a Python of its own that has some of them installed."""

import hashlib
import shutil
import sys
import venv
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path

#: What tests need that are run with such a Python.
_OF_TESTS = ("iniconfig", "packaging", "pluggy", "pygments", "pytest")


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    modules: Mapping[str, str],
    more: Sequence[str] = (),
) -> Path:
    """Return a wheel of pure Python, the same bytes whenever it is made.

    Args:
        folder: where it lies afterwards.

        name: of the package.

        version: of the release.

        modules: their texts by path.

        more: lines of what it says of itself: ``Requires-Dist: x``.
    """
    info = f"{name}-{version}.dist-info"
    said = [
        "Metadata-Version: 2.4",
        f"Name: {name}",
        f"Version: {version}",
        *more,
    ]
    files = {
        **modules,
        f"{info}/METADATA": "\n".join(said) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: honed\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(place, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": ""}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return place


def digest_of(wheel: Path) -> str:
    """Return the SHA-256 of a wheel's bytes."""
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def make_python(folder: Path, wheels: Sequence[Path]) -> Path:
    """Return a Python in an environment of its own, with pytest and some wheels.

    Nothing is downloaded: what tests need is copied from this environment.
    """
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    for name in _OF_TESTS:
        _copy(name, packages)
    for each in wheels:
        with zipfile.ZipFile(each) as archive:
            archive.extractall(packages)
    return folder / "bin" / "python"


def _copy(name: str, packages: Path) -> None:
    """Copy an installed package with what it says of itself."""
    found = distribution(name)
    tops = {each.parts[0] for each in found.files or () if ".." not in each.parts}
    for top in sorted(tops - {"__pycache__"}):
        source, place = Path(str(found.locate_file(top))), packages / top
        if source.is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place)
