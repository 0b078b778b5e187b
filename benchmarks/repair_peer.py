"""Run FixKit's PyMutRepair on one program, in an environment of FixKit's own.

    PYTHON_OF_FIXKIT benchmarks/repair_peer.py FOLDER SOURCES TEST WORKERS [corrected]

`repair.py --peer PYTHON_OF_FIXKIT` starts this; nothing of honed is imported. It prints one line of
JSON for each candidate that was really run, with the seconds since the start and its fitness; 1 is
a repair, and it ends there.

As it is, FixKit 0.0.1 hands statements to operators that change expressions alone, so that no
candidate differs from the program. `corrected` hands them the expressions, too, and lets a worker
live on that cannot write a candidate (its operator for arithmetic names a class for an instance).
"""

import ast
import importlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

#: More than it comes to in the time that it has.
GENERATIONS = 10
RATE_OF_MUTATION = 0.06
REPAIRED = 1 - 1e-8
EXPRESSIONS = (ast.Compare, ast.BinOp, ast.BoolOp, ast.UnaryOp)


def main() -> None:
    """Localise, then try mutations until one passes all tests."""
    folder, sources, test, workers, *options = sys.argv[1:]
    _tell_of_candidates(time.monotonic())
    if options:
        _correct()
    of_lines = importlib.import_module("fixkit.localization.coverage").CoverageLocalization
    out = f"{folder}-rep"
    localization = of_lines(folder, cov=sources, metric="Ochiai", tests=[test], out=out)
    tool = importlib.import_module("fixkit.repair.pymutrepair").PyMutRepair
    repair = tool.from_source(
        src=folder,
        excludes=[str(each.relative_to(folder)) for each in _others(Path(folder), sources)],
        localization=localization,
        max_generations=GENERATIONS,
        w_mut=RATE_OF_MUTATION,
        workers=int(workers),
        out=out,
    )
    repair.repair()


def _correct() -> None:
    finder = importlib.import_module("fixkit.stmt").StatementFinder
    finder.check = lambda _, node: isinstance(node, (ast.stmt, *EXPRESSIONS))
    worker = importlib.import_module("fixkit.fitness.engine").Worker
    judge = worker.evaluate

    def evaluate(self: Any, candidate: Any, fitness: Any) -> None:  # noqa: ANN401 - as the tool's
        try:
            judge(self, candidate, fitness)
        except (KeyError, AttributeError, TypeError):
            candidate.fitness = 0.0

    worker.evaluate = evaluate


def _tell_of_candidates(started: float) -> None:
    """Print what each run of the tests came to: the tool itself looks when a generation is over."""
    fitness = importlib.import_module("fixkit.fitness.metric").Fitness
    judge = fitness.evaluate_fitness
    lock = threading.Lock()

    def evaluate(self: Any, folder: Any, env: Any = None) -> float:  # noqa: ANN401 - as the tool's
        found = float(judge(self, folder, env))
        with lock:
            said = {"seconds": time.monotonic() - started, "fitness": found}
            sys.stdout.write(f"{json.dumps(said)}\n")
            sys.stdout.flush()
            if found >= REPAIRED:
                os._exit(0)
        return found

    fitness.evaluate_fitness = evaluate


def _others(folder: Path, sources: str) -> list[Path]:
    """Return the files that are not to be changed."""
    return [each for each in folder.rglob("*.py") if folder / sources not in each.parents]


if __name__ == "__main__":
    main()
