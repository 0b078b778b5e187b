"""The architecture holds: imports point where they may, and nothing grows too long.

Each contract is also proven to bite: a violation planted in a copy of the source is reported.
"""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "honed"

LONGEST_FUNCTION = 50
LONGEST_MODULE = 500
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

#: Contract, then the files to add to, and what to add there.
VIOLATIONS: list[tuple[str, dict[str, str]]] = [
    ("Imports point down", {"core/risk.py": "import honed.storage.db"}),
    ("Imports point down", {"approval/__init__.py": "import honed.experiments"}),
    ("Imports point down", {"utils/__init__.py": ""}),
    (
        "A plug-in does not know its siblings",
        {"kinds/one_planted.py": "import honed.kinds.two_planted", "kinds/two_planted.py": ""},
    ),
    (
        "A plug-in does not know its siblings",
        {
            "detectors/__init__.py": "",
            "detectors/one_planted.py": "from honed.detectors import two_planted",
            "detectors/two_planted.py": "",
        },
    ),
    (
        "A way in does not know the others",
        {
            "interfaces/__init__.py": "",
            "interfaces/one_planted.py": "import honed.interfaces.two_planted",
            "interfaces/two_planted.py": "",
        },
    ),
    ("Only the act phase changes a target", {"loop/learn.py": "import honed.targets.execute"}),
    (
        "Only the act phase changes a target",
        {"kinds/one_planted.py": "from honed.targets.execute import something"},
    ),
    (
        "Only the hand of all targets has the one of repositories",
        {"kinds/one_planted.py": "from honed.targets.repository.publishing.hand import something"},
    ),
    (
        "A forge does not know the others",
        {"forge/gitlab.py": "import honed.forge.github"},
    ),
    (
        "Only the store and the targets speak to PostgreSQL's driver",
        {"ledger/log.py": "from psycopg import sql"},
    ),
    (
        "The words and the statistics do no input or output",
        {"core/canonical.py": "import subprocess"},
    ),
    (
        "The words and the statistics do no input or output",
        {"stats/__init__.py": "from pathlib import Path"},
    ),
    (
        "No cycles, at any depth",
        {"core/step.py": "import honed.core.trial"},
    ),
]


def lint_imports(folder: Path) -> dict[str, bool]:
    """Return for each contract whether the tree in ``folder`` keeps it."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.rpartition(" ") for line in done.stdout.splitlines()]
    kept = {name: word == "KEPT" for name, _, word in lines if word in {"KEPT", "BROKEN"}}
    assert kept, done.stdout + done.stderr
    return kept


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(
        SOURCE, tmp_path / "src" / "honed", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_is_kept() -> None:
    kept = lint_imports(ROOT)
    assert len(kept) == 9
    assert [name for name, is_kept in kept.items() if not is_kept] == []


def test_every_contract_is_tried() -> None:
    assert {contract for contract, _ in VIOLATIONS} == set(lint_imports(ROOT))


@pytest.mark.parametrize(("contract", "planted"), VIOLATIONS, ids=lambda value: str(value)[:40])
def test_a_violation_is_reported(contract: str, planted: dict[str, str], copy: Path) -> None:
    for name, line in planted.items():
        file = copy / "src" / "honed" / name
        file.parent.mkdir(exist_ok=True)
        with file.open("a", encoding="utf-8") as text:
            text.write(f"\n{line}\n")
    assert not lint_imports(copy)[contract]


def test_no_module_and_no_function_is_too_long() -> None:
    long = []
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(SOURCE)
        if text.count("\n") > LONGEST_MODULE:
            long.append(f"{name}")
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, FUNCTIONS)]
        long += [f"{name}: {f.name}" for f in functions if length(f) > LONGEST_FUNCTION]
    assert long == []


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0
