"""ruff and vulture, asked about texts; neither runs nor writes anything of them."""

import importlib
import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from honed.errors import MissingExtra, RepairFailed
from honed.sandbox.scratch import scratch

_HINT: Final = "install it: pip install 'honed[code]'"


@dataclass(frozen=True, slots=True)
class Unused:
    """Something that vulture holds to be unused."""

    path: str
    #: ``function``, ``unreachable_code`` ...
    sort: str
    name: str
    line: int
    confidence_percent: int


def fixed(path: str, text: str, rules: Sequence[str], timeout_s: float = 20.0) -> str:
    """Return a text after ruff's safe fixes of some rules, without any configuration.

    Raises:
        MissingExtra: ruff is not installed.
        RepairFailed: it failed, or took too long.
    """
    arguments = [
        ruff(), "check", "--isolated", "--no-cache", "--fix-only", "--no-unsafe-fixes", "--quiet",
        "--target-version=py311", f"--select={','.join(rules)}", f"--stdin-filename={path}", "-",
    ]  # fmt: skip
    return _asked(arguments, text.encode(), path, timeout_s).decode()


def flagged(
    texts: Mapping[str, str], rules: Sequence[str], timeout_s: float = 120.0
) -> frozenset[str]:
    """Return the paths of the texts of which ruff says anything, asked once for all of them.

    Raises:
        MissingExtra: ruff is not installed.
        RepairFailed: it failed, or took too long.
    """
    paths = dict(enumerate(texts))
    with scratch() as folder:
        for number, path in paths.items():
            # By number: what a repository calls its files is no matter of ours.
            (folder / f"f{number}.py").write_bytes(texts[path].encode())
        arguments = [
            ruff(), "check", "--isolated", "--no-cache", "--exit-zero", "--output-format=json",
            "--target-version=py311", f"--select={','.join(rules)}", str(folder),
        ]  # fmt: skip
        said = _asked(arguments, b"", "all files", timeout_s)
    names = {Path(each["filename"]).stem for each in json.loads(said)}
    return frozenset(path for number, path in paths.items() if f"f{number}" in names)


def unused(texts: Iterable[tuple[str, str]]) -> list[Unused]:
    """Return what vulture holds to be unused in files that are Python; decorated things are not.

    Raises:
        MissingExtra: vulture is not installed.
    """
    asked = vulture()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path, text in texts:
            asked.scan(text, filename=Path(path))
    return [
        Unused(item.filename.as_posix(), item.typ, item.name, item.first_lineno, item.confidence)
        for item in asked.get_unused_code(min_confidence=60)
    ]


def vulture() -> Any:  # noqa: ANN401 - it ships no types
    """Return a new ``Vulture``, which leaves alone what is decorated: a framework may call it.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return importlib.import_module("vulture").Vulture(ignore_decorators=["@*"])
    except ImportError as error:
        msg = "vulture is not installed, with which dead code is found"
        raise MissingExtra(msg, hint=_HINT) from error


def ruff() -> str:
    """Return the program, that beside our Python first.

    Raises:
        MissingExtra: it is not installed.
    """
    beside = Path(sys.executable).with_name("ruff")
    found = str(beside) if beside.exists() else shutil.which("ruff")
    if found is None:
        msg = "ruff is not installed, with which code is analysed"
        raise MissingExtra(msg, hint=_HINT)
    return found


def _asked(arguments: Sequence[str], text: bytes, what: str, timeout_s: float) -> bytes:
    try:
        done = subprocess.run(
            arguments, input=text, capture_output=True, check=False, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as error:
        msg = f"ruff took longer than {timeout_s:g} s for {what}"
        raise RepairFailed(msg) from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["no words"]
        msg = f"ruff failed on {what}: {words[-1]}"
        raise RepairFailed(msg)
    return done.stdout
