"""How well copies of code are found, on planted ones, beside jscpd where that is installed.

    python benchmarks/clones.py [--jscpd PROGRAM] [--functions N] [--seed N]

Functions and methods with 6 to 60 statements are drawn from the packages that are installed beside
honed, one of each name. Each stands in a file of its own, as `ast.unparse` writes it. Of two thirds
a copy is planted in another folder, changed in one way (or, `all`, in every way):

    equal      another name of the function
    names      its arguments and variables are renamed
    constants  its numbers and texts are others
    more       1 to 3 statements are added
    fewer      1 to 3 simple statements are removed
    order      two neighbouring statements change places
    all        names, constants, more and order

A pair of files is found if what is said to be copied covers at least half of the lines of both.
Recall is the share of the planted pairs that are found, precision the share of the found pairs
that are planted. Real packages hold copies of their own: those count as wrong for everybody.
jscpd is run as it comes, and with everything that it has against renamed and near copies.
"""

import argparse
import ast
import json
import random
import subprocess
import sysconfig
import tempfile
import textwrap
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from pathlib import Path

from honed.space.clones.atoms import read_atoms
from honed.space.clones.groups import clones

Pair = frozenset[str]
PACKAGES = ("click", "rich", "sqlglot", "hypothesis", "fastapi", "sklearn", "scipy", "libcst")
LEAST_COVER = 0.5
STRONGEST = (
    "--similarity", "--ignore-identifiers", "--ignore-literals", "--max-gap-lines=3",
    "--min-tokens=30",
)  # fmt: skip


class Renamer(ast.NodeTransformer):
    """Gives all arguments and variables of a function other names."""

    def __init__(self, function: ast.FunctionDef) -> None:
        nodes = list(ast.walk(function))
        own = [each.arg for each in nodes if isinstance(each, ast.arg)]
        own += [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        self.names = {name: f"v{n}_{name[::-1]}" for n, name in enumerate(dict.fromkeys(own))}

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Rename a use."""
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """Rename an argument."""
        node.arg = self.names.get(node.arg, node.arg)
        return node


class Constants(ast.NodeTransformer):
    """Changes every number and every text."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.JoinedStr:
        """Leave texts with places for values alone."""
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """Change a constant."""
        if isinstance(node.value, str):
            node.value = f"{node.value}x"
        elif isinstance(node.value, int | float) and not isinstance(node.value, bool):
            node.value += 3
        return node


def blocks(function: ast.FunctionDef) -> list[list[ast.stmt]]:
    """Return the lists of statements of a function."""
    return [
        block
        for node in ast.walk(function)
        for name in ("body", "orelse", "finalbody")
        if isinstance(block := getattr(node, name, None), list) and block
    ]


def names(function: ast.FunctionDef, _: random.Random) -> None:
    """Rename what it binds."""
    Renamer(function).visit(function)


def constants(function: ast.FunctionDef, _: random.Random) -> None:
    """Change its constants."""
    Constants().visit(function)


def more(function: ast.FunctionDef, chance: random.Random) -> None:
    """Add statements."""
    for number in range(chance.randint(1, 3)):
        block = chance.choice(blocks(function))
        added = chance.choice(("log.debug('here')", f"count_{number} = 0", "check(state)"))
        block.insert(chance.randrange(len(block) + 1), ast.parse(added).body[0])


def fewer(function: ast.FunctionDef, chance: random.Random) -> None:
    """Remove simple statements."""
    for _ in range(chance.randint(1, 3)):
        where = [
            (block, n)
            for block in blocks(function)
            for n, each in enumerate(block)
            if len(block) > 1 and isinstance(each, ast.Assign | ast.Expr | ast.AugAssign)
        ]
        if where:
            block, place = chance.choice(where)
            del block[place]


def order(function: ast.FunctionDef, chance: random.Random) -> None:
    """Let two neighbours change places."""
    block = max(blocks(function), key=len)
    place = chance.randrange(max(1, len(block) - 1))
    block[place : place + 2] = block[place : place + 2][::-1]


def everything(function: ast.FunctionDef, chance: random.Random) -> None:
    """Change it in most ways at once."""
    for change in (more, order, names, constants):
        change(function, chance)


CHANGES: Mapping[str, Callable[[ast.FunctionDef, random.Random], None]] = {
    "equal": lambda _function, _chance: None,
    "names": names,
    "constants": constants,
    "more": more,
    "fewer": fewer,
    "order": order,
    "all": everything,
}


def functions(chance: random.Random, wanted: int) -> list[str]:
    """Return texts of functions of installed packages, one of each name."""
    found: dict[str, str] = {}
    packages = Path(sysconfig.get_paths()["purelib"])
    for package in PACKAGES:
        for path in sorted((packages / package).rglob("*.py")):
            if "test" not in str(path.relative_to(packages)):
                found |= dict(_functions(path))
    return [found[name] for name in chance.sample(sorted(found), wanted)]


def _functions(path: Path) -> Iterator[tuple[str, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(path.read_bytes())
    classes = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in (each for body in (tree.body, *classes) for each in body):
        if not isinstance(node, ast.FunctionDef):
            continue
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        node.decorator_list = []
        size = sum(isinstance(each, ast.stmt) for each in ast.walk(node)) - 1
        if 6 <= size <= 60:
            yield node.name, ast.unparse(node)


def plant(folder: Path, wanted: int, seed: int) -> dict[Pair, str]:
    """Write the files; return the planted pairs and how each was changed."""
    chance = random.Random(seed)  # noqa: S311 - the same files in every run
    planted: dict[Pair, str] = {}
    for number, text in enumerate(functions(chance, wanted)):
        first = f"here/m{number}.py"
        _write(folder / first, text)
        if number % 3 == 2:
            continue
        change = list(CHANGES)[number % len(CHANGES)]
        function = ast.parse(text).body[0]
        assert isinstance(function, ast.FunctionDef)
        function.name = f"{function.name}_again"
        CHANGES[change](function, chance)
        second = f"there/m{number}.py"
        _write(folder / second, ast.unparse(ast.fix_missing_locations(function)))
        planted[frozenset((first, second))] = change
    return planted


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text) + "\n", encoding="utf-8", errors="replace")


def by_honed(folder: Path) -> set[Pair]:
    """Return the pairs that honed finds."""
    files = {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*.py")}
    lines = {path: text.count("\n") for path, text in files.items()}
    atoms = [atom for path, text in sorted(files.items()) for atom in read_atoms(path, text)]
    found: set[Pair] = set()
    for group in clones(atoms):
        large = [a for a in group.atoms if a.end_line - a.line + 1 >= LEAST_COVER * lines[a.path]]
        found |= {frozenset((a.path, b.path)) for a, b in combinations(large, 2)}
    return {pair for pair in found if len(pair) > 1}


def by_jscpd(folder: Path, program: str, options: tuple[str, ...]) -> set[Pair]:
    """Return the pairs that jscpd finds."""
    with tempfile.TemporaryDirectory() as out:
        command = [program, *options, "--reporters=json", f"--output={out}", "--no-gitignore", "."]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        report = json.loads((Path(out) / "jscpd-report.json").read_text())
    covered: dict[tuple[str, str], list[int]] = {}
    for each in report["duplicates"]:
        ends = sorted((each["firstFile"], each["secondFile"]), key=lambda end: str(end["name"]))
        sizes = covered.setdefault((ends[0]["name"], ends[1]["name"]), [0, 0])
        for number, end in enumerate(ends):
            sizes[number] += end["end"] - end["start"] + 1
    return {
        frozenset(pair)
        for pair, sizes in covered.items()
        if len(set(pair)) > 1
        and all(
            size >= LEAST_COVER * (folder / name).read_text().count("\n")
            for name, size in zip(pair, sizes, strict=True)
        )
    }


def report(name: str, find: Callable[[], set[Pair]], planted: Mapping[Pair, str]) -> None:
    """Print one row of the table."""
    started_s = time.perf_counter()
    found = find()
    took_s = time.perf_counter() - started_s
    right = found & planted.keys()
    total, hits = Counter(planted.values()), Counter(planted[pair] for pair in right)
    recalls = " | ".join(f"{hits[change] / total[change]:.2f}" for change in CHANGES)
    precision = len(right) / max(1, len(found))
    recall = len(right) / len(planted)
    print(f"| {name} | {precision:.3f} | {recall:.3f} | {recalls} | {took_s:.2f} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jscpd", default="", help="the program, if it is installed")
    parser.add_argument("--functions", type=int, default=900)
    parser.add_argument("--seed", type=int, default=20261122)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        planted = plant(folder, asked.functions, asked.seed)
        print(f"{asked.functions} functions, {len(planted)} copies planted, seed {asked.seed}\n")
        print(f"| | precision | recall | {' | '.join(CHANGES)} | s |")
        print(f"|---|---|---|{'---|' * (len(CHANGES) + 1)}")
        report("honed", lambda: by_honed(folder), planted)
        if asked.jscpd:
            report("jscpd", lambda: by_jscpd(folder, asked.jscpd, ()), planted)
            strongest = f"jscpd {' '.join(STRONGEST)}"
            report(strongest, lambda: by_jscpd(folder, asked.jscpd, STRONGEST), planted)
        else:
            print("jscpd was not named (--jscpd), so it is left out")


if __name__ == "__main__":
    main()
