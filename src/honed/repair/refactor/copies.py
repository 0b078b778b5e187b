"""Top-level functions that are copies, and whether one of them may stand for another."""

import ast
import builtins
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from honed.repair.refactor.package import Module, Package
from honed.space.clones.forms import own_names
from honed.space.clones.groups import clones

#: What sees from which function, or module, it is called.
_LOOKS_AROUND: Final = frozenset(
    {"inspect", "logging", "sys", "traceback", "warnings", "super", "dir", "breakpoint"}
)
_BUILTINS: Final = frozenset(name for name in dir(builtins) if not name.startswith("_"))


@dataclass(frozen=True, slots=True, eq=False)
class Copy:
    """A function at the top of a module."""

    module: Module
    node: ast.FunctionDef

    @property
    def docstring(self) -> str | None:
        """What it says of itself."""
        return ast.get_docstring(self.node, clean=False)

    @property
    def body(self) -> Sequence[ast.stmt]:
        """Its statements, without the docstring."""
        return self.node.body if self.docstring is None else self.node.body[1:]

    def free(self) -> set[str]:
        """Return the names that it reads and does not bind; those of functions within too."""
        own = own_names([*ast.walk(self.node.args), *self.node.body])
        return {each.id for each in ast.walk(self.node) if isinstance(each, ast.Name)} - own


def copies(package: Package, type_: int) -> Iterator[list[Copy]]:
    """Yield the groups of copies of a type whose units may be touched, at least two in each."""
    for group in clones(package.functions, least_same=2):
        if group.type != type_:
            continue
        found = [_copy(package, atom.path, atom.line, atom.name) for atom in group.atoms]
        sound = [each for each in found if each is not None and _is_sound(package, each)]
        if len(sound) > 1:
            yield sound


def may_stand_for(package: Package, kept: Copy, other: Copy) -> bool:
    """Whether every name in two functions means the same, and the one's module can be imported."""
    if kept.module is other.module:
        return True
    is_same = all(_is_same_name(name, kept.module, other.module) for name in kept.free())
    return is_same and _is_importable(package, kept.module, other.module)


def import_place(module: Module, before: ast.stmt) -> int | None:
    """Return where an import can be added: behind those that stand before a statement."""
    source = module.source
    place: int | None = source.line_start(source.first_line(module.tree.body[0]))
    for number, node in enumerate(module.tree.body):
        is_docstring = number == 0 and isinstance(node, ast.Expr)
        if node is before:
            return place
        if isinstance(node, ast.Import | ast.ImportFrom) or is_docstring:
            place = source.lines_of(node)[1] if source.has_own_lines(node) else None
            if place is not None and source.text[place - 1 : place] != b"\n":
                place = None
    return None


def _copy(package: Package, path: str, line: int, name: str) -> Copy | None:
    module = package.modules[path]
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef) and (node.lineno, node.name) == (line, name):
            return Copy(module, node)
    return None


def _is_sound(package: Package, copy: Copy) -> bool:
    node, name = copy.node, copy.node.name
    defaults = [each for each in (*node.args.defaults, *node.args.kw_defaults) if each]
    free = copy.free()
    return (
        not node.decorator_list
        and copy.module.source.has_own_lines(node)
        and copy.module.bound.get(name) == 1
        and name not in free
        and all(isinstance(each, ast.Constant) for each in defaults)
        and free.isdisjoint(_LOOKS_AROUND)
        and not any(each.startswith("__") for each in free)
        and not any(isinstance(each, ast.Global | ast.Nonlocal) for each in ast.walk(node))
        and not any(_has_attributes(module, name) for module in package.modules.values())
    )


def _has_attributes(module: Module, name: str) -> bool:
    """Whether something reads or sets an attribute of a function: it may keep a state there."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner)):
                if owner == name:
                    return True
    return False


def _is_same_name(name: str, one: Module, other: Module) -> bool:
    if name not in one.bound and name not in other.bound:
        return name in _BUILTINS
    found = [_import(each, name) for each in (one, other)]
    return found[0] != "" and found[0] == found[1]


def _import(module: Module, name: str) -> str:
    """Return what a name is imported from, if that is all it ever is."""
    if module.bound.get(name) != 1:
        return ""
    for node in module.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0):
            for alias in node.names:
                if (alias.asname or alias.name.split(".")[0]) == name:
                    # "import a.b" binds what else has been imported of a, too.
                    is_plain = isinstance(node, ast.ImportFrom) or "." not in alias.name
                    return f"{getattr(node, 'module', '')}:{alias.name}" if is_plain else ""
    return ""


def _is_importable(package: Package, kept: Module, other: Module) -> bool:
    """Whether a module can be imported by another without a cycle and without an effect."""
    here, there = package.name(kept.path), package.name(other.path)
    if not here or not there or here.split(".")[0] != there.split(".")[0]:
        return False
    if other.path in _reached(package, kept):
        return False
    if kept.path in _imported(package, other, other.tree.body):
        return True
    if not f"{there}.".startswith(f"{here.rpartition('.')[0]}."):
        # The packages around it would run, too.
        return False
    known = roots(other) | sys.stdlib_module_names
    return roots(kept) <= known and not everything_imported(package, kept) and is_harmless(kept)


def _reached(package: Package, module: Module) -> set[str]:
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        for path in everything_imported(package, waiting.pop()) - seen:
            seen.add(path)
            if path in package.modules:
                waiting.append(package.modules[path])
    return seen


def everything_imported(package: Package, module: Module) -> set[str]:
    """Return the paths of the modules that one imports, wherever it does, packages too."""
    return _imported(package, module, ast.walk(module.tree))


def _imported(package: Package, module: Module, nodes: Iterable[ast.AST]) -> set[str]:
    """Return the paths of the modules that nodes of a module import, packages too."""
    names: set[str] = set()
    for name in _names(package, module, nodes):
        parts = name.split(".")
        names |= {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return {path for path in package.files if package.name(path) in names}


def _names(package: Package, module: Module, nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                own = package.name(module.path).split(".")
                up = node.level - module.path.endswith("__init__.py")
                base = ".".join([*own[: len(own) - up], *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def roots(module: Module) -> set[str]:
    """Return the packages that a module imports."""
    found: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or ".").split(".")[0] if not node.level else ".")
    return found


def is_harmless(module: Module) -> bool:
    """Whether importing a module does nothing but define."""
    for node in module.tree.body:
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
                continue
            case ast.Assign(value=ast.Constant()) | ast.AnnAssign(value=ast.Constant()):
                continue
            case ast.FunctionDef(decorator_list=[]):
                defaults = (*node.args.defaults, *node.args.kw_defaults)
                if all(each is None or isinstance(each, ast.Constant) for each in defaults):
                    continue
        return False
    return True
