"""What tests ran, what stood in their locals and what was called with what."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from honed.repair.base import look
from honed.repair.inside.spectrum import is_repairable, literal
from honed.repair.localise import suspects, suspicion
from honed.repair.source import Source

MODULE = """\
FACTOR = 3


def scaled(values, by=1):
    found = [value * FACTOR for value in values]
    if by > 1:
        found = found[:-1]
    return found


def unused():
    return None
"""
TESTS = """\
from module import scaled


def test_once():
    assert scaled([1, 2]) == [3, 6]


def test_twice():
    assert scaled([1, 2], 2) == [3, 6]
"""


def test_lines_types_and_calls_are_seen(plant: Any, started: Any) -> None:
    suite = plant({"module.py": MODULE, "test_module.py": TESTS})
    base = look(started(suite), suite)
    path = str(suite.root / "module.py")
    (failing,) = base.failing
    assert base.spectrum.lines[failing][path] >= {5, 6, 7, 8}
    types = base.spectrum.types[path]
    assert types[7]["found"] == {"list"}
    assert types[6]["by"] == {"int"}
    calls = [(call["name"], call["arguments"], call["result"]) for call in base.spectrum.calls]
    assert ("scaled", ["[1, 2]", "2"], "[3]") in calls
    assert all(call["is_entry"] for call in base.spectrum.calls)


def test_suspects_begin_with_what_only_failing_tests_run(plant: Any, started: Any) -> None:
    suite = plant({"module.py": MODULE, "test_module.py": TESTS})
    base = look(started(suite), suite)
    source = Source(str(suite.root / "module.py"), MODULE.encode())
    found = suspects(source, suspicion(base.spectrum, base.failing))
    lines = [statement.lineno for _, statement in found]
    assert lines[0] == 7
    # The header that let it run is next, a value of the module is there, what never ran is not.
    assert lines[1] == 6
    assert 1 in lines
    assert not {11, 12} & set(lines)


def test_only_the_projects_own_code_is_repaired() -> None:
    root = "/code/"
    wanted = ["/code/a.py", "/code/pkg/b.py"]
    others = [
        "/code/test_a.py",
        "/code/tests/help.py",
        "/code/conftest.py",
        "/code/.venv/lib/a.py",
        "/code/lib/site-packages/a.py",
        "/other/a.py",
        "/code/a.so",
    ]
    assert [path for path in wanted + others if is_repairable(path, root)] == wanted


def test_values_are_written_down_only_where_they_can_be_read_back() -> None:
    assert literal({"a": [1, (2.5, None)]}) == "{'a': [1, (2.5, None)]}"
    assert literal(object()) is None
    assert literal([object()]) is None
    assert literal("x" * 10_000) is None
    assert literal(float("nan")) is None


def test_the_scripts_inside_need_nothing_of_honed() -> None:
    folder = Path(sys.modules["honed.repair.inside.spectrum"].__file__ or "").parent
    program = (
        "import sys; sys.modules['honed'] = None; sys.argv = ['x'];"
        f"sys.path.insert(0, {str(folder)!r});"
        "import runpy; runpy.run_path(sys.path[0], run_name='__main__')"
    )
    opened = json.dumps({"root": "/", "tests": ["/no-such-test.py"]})
    ended = subprocess.run(
        [sys.executable, "-c", program], input=opened, capture_output=True, text=True, check=True
    )
    assert "before it had collected tests" in json.loads(ended.stdout)["error"]
