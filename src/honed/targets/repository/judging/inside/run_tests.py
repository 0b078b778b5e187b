"""Runs pytest in the sandbox, so that nothing of a repository stands in for pytest or the report.

It is started with ``-P``: nothing of the repository is on the path yet when pytest, the report and
what they need are imported. It needs nothing but the standard library and pytest.
"""

import importlib
import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
_report = importlib.import_module("honed_report")
sys.path.pop(0)


def main() -> int:
    """Run the tests that are named in a file, and return pytest's exit code."""
    root = os.environ["HONED_ROOT"]
    arguments = json.loads(Path(os.environ["HONED_TESTS"]).read_text(encoding="utf-8"))
    sys.path[:0] = [root, f"{root}/src"]
    return int(pytest.main(arguments, plugins=[_report]))


if __name__ == "__main__":
    raise SystemExit(main())
