"""A kind is one file and one test: nothing else is touched, and nothing is left out."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
KINDS = ROOT / "src" / "honed" / "kinds"
TESTS = ROOT / "tests" / "kinds"

NEW_KIND = '''\
"""Gives a foreign key the index that joins and deletes look for.

## What it does

It finds foreign keys whose columns lead no index, and proposes one.

## Why it helps

Each join, and each delete of a row that is referred to, reads the whole table without it.

## Risk and rollback

The index is built while everybody goes on; the undo drops it.

## How it is measured

CPU seconds of each statement, replayed with and without it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from honed.core.finding import SLOW_STATEMENT, Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Risk
from honed.core.step import Step
from honed.core.trial import Trial
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.targets.postgres.statement_trial import statement_trial
from honed.targets.postgres.target import PostgresTarget

_UNINDEXED = """
SELECT n.nspname AS schema, t.relname AS table, a.attname AS column
  FROM pg_constraint c
  JOIN pg_class t ON t.oid = c.conrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1]
 WHERE c.contype = 'f'
   AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indkey[0] = a.attnum)
"""


class IndexReference(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "index_reference"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=2)
    wants: ClassVar[frozenset[FindingType]] = frozenset({SLOW_STATEMENT})

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each foreign key without an index."""
        for row in target.query(_UNINDEXED):
            index = IndexDefinition(row["schema"], row["table"], (Key(row["column"]),))
            yield Hypothesis(
                kind=self.name,
                subject=index.name,
                claim=f"an index on {index.summary} serves its foreign key",
                priority=3,
                risk=2,
                predicted_log_ratio=-0.5,
                parameters={"index": index.to_json()},
            )

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the step that builds it."""
        parameters: Mapping[str, Any] = hypothesis.parameters
        return [IndexDefinition.from_json(parameters["index"]).step()]

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the replay of the workload."""
        base_s = {each.statement_id: each.mean_ms / 1000 for each in target.workload().replayable}
        return statement_trial(target, base_s=base_s, changed=set(base_s), cut_s=1.0)

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call by statement."""
        return {each: c.exec_ms_per_call for each, c in target.statement_costs().items()}
'''

NEW_TEST = """\
from honed.kinds.index_reference import IndexReference
from honed.testing.contract import KindContract
from honed.testing.worlds import WorldPlan

TABLES = (
    "CREATE TABLE owner (owner_id integer PRIMARY KEY)",
    "INSERT INTO owner SELECT generate_series(1, 1000)",
    "CREATE TABLE pet (pet_id integer PRIMARY KEY, owner_id integer REFERENCES owner, note text)",
    "INSERT INTO pet SELECT n, 1 + n % 1000, repeat('x', 60) FROM generate_series(1, 20000) n",
)
TRAFFIC = ("SELECT count(note) FROM owner JOIN pet USING (owner_id) WHERE owner_id = 5",)


class TestIndexReference(KindContract):
    kind = IndexReference()
    ill = WorldPlan((*TABLES, "VACUUM ANALYZE pet"), TRAFFIC)
    well = WorldPlan((*TABLES, "CREATE INDEX ON pet (owner_id)", "VACUUM ANALYZE pet"), TRAFFIC)
"""

CONFTEST = 'pytest_plugins = ["honed.testing.postgres", "honed.testing.worlds"]\n'


def untested(kinds: Path, tests: Path) -> list[str]:
    """Return the kinds in folder ``kinds`` without a contract test in or below ``tests``."""
    names = [path.stem for path in sorted(kinds.glob("*.py")) if path.stem != "__init__"]
    return [
        name
        for name in names
        if not any(holds_contract(test, name) for test in tests.rglob(f"test_{name}.py"))
    ]


def holds_contract(test: Path, kind: str) -> bool:
    """Return whether ``test`` extends KindContract, and imports from the kind's own module."""
    tree = ast.parse(test.read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    bases = {
        base.id
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test")
        for base in node.bases
        if isinstance(base, ast.Name)
    }
    return f"honed.kinds.{kind}" in imported and "KindContract" in bases


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the source with an empty folder of tests."""
    left_out = shutil.ignore_patterns("__pycache__", "demo")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=left_out)
    tests = tmp_path / "tests" / "kinds"
    tests.mkdir(parents=True)
    (tests / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_kind_is_tested() -> None:
    assert untested(KINDS, TESTS) == []


@pytest.mark.slow
def test_a_new_kind_is_one_file_and_one_test(checkout: Path) -> None:
    kinds, tests = checkout / "src" / "honed" / "kinds", checkout / "tests" / "kinds"
    (kinds / "index_reference.py").write_text(NEW_KIND, encoding="utf-8")
    assert "index_reference" in untested(kinds, tests)
    (tests / "test_index_reference.py").write_text(NEW_TEST, encoding="utf-8")
    assert "index_reference" not in untested(kinds, tests)

    listed = run(checkout, "honed", "kind", "list")
    assert "index_reference" in listed.stdout, listed.stderr
    page = run(checkout, "honed", "kind", "show", "index_reference")
    assert "Risk and rollback" in page.stdout, page.stderr
    tested = run(checkout, "pytest", "tests/kinds", "-q", "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout[-3000:] + tested.stderr[-1000:]


@pytest.mark.parametrize(
    "test",
    [
        "",
        "def test_nothing() -> None: ...",
        "from honed.testing.contract import KindContract\nclass TestIt(KindContract): ...",
        "from honed.kinds.new import New\nclass TestIt: ...",
    ],
)
def test_a_kind_without_its_contract_is_reported(tmp_path: Path, test: str) -> None:
    (tmp_path / "new.py").write_text("", encoding="utf-8")
    if test:
        (tmp_path / "test_new.py").write_text(test, encoding="utf-8")
    assert untested(tmp_path, tmp_path) == (["new", "test_new"] if test else ["new"])
