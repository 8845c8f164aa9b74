"""No module imports one that imports it, not even through others, nor for a type alone.

Layers are contracts in `pyproject.toml`, which import-linter checks in `make lint`.
"""

from __future__ import annotations

import ast
from pathlib import Path

import grimp

import opbx_cli


def circle(imports: dict[str, frozenset[str]]) -> list[str]:
    """Return modules that import each other in a circle, or nothing."""
    path: list[str] = []
    done: set[str] = set()

    def walk(module: str) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in done:
            path.append(module)
            for imported in sorted(imports[module]):
                if found := walk(imported):
                    return found
            done.add(path.pop())
        return []

    return next(filter(None, map(walk, sorted(imports))), [])


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("opbx_cli", cache_dir=None)  # with imports for types, and in bodies
    imports = {
        module: frozenset(graph.find_modules_directly_imported_by(module))
        for module in graph.modules
    }
    assert "opbx_cli.sandbox.calls" in imports["opbx_cli.sandbox.handlers"]
    assert "opbx_cli.cli.storage" in imports["opbx_cli.cli.app"]  # for types, and in a body
    assert circle(imports) == []


def test_a_circle_is_found() -> None:
    none: frozenset[str] = frozenset()
    assert circle({"a": frozenset("b"), "b": frozenset("c"), "c": none}) == []
    assert circle({"a": frozenset("b"), "b": frozenset("bc"), "c": none}) == ["b", "b"]
    imports = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("bd"), "d": none}
    assert circle(imports) == ["b", "c", "b"]


def test_few_imports_stand_inside_functions_and_each_says_why() -> None:
    inside = []
    for path in sorted(Path(opbx_cli.__file__).parent.rglob("*.py")):
        source = path.read_text()
        lines = source.splitlines()
        for function in ast.walk(ast.parse(source)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                found = [
                    n for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom)
                ]
                inside += [(path.name, lines[node.lineno - 2].strip()) for node in found]
    assert len(inside) <= 20
    assert all(above.startswith("# ") for _, above in inside), inside
