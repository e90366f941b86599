"""Imports point one way: dynamics_gen ← benchmark ← baselines ← command line, and leaderboard beside them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("dynamics_gen", "benchmark", "baselines", "leaderboard")

MAY_IMPORT = {
    "dynamics_gen": {"dynamics_gen"},
    "benchmark": {"dynamics_gen", "benchmark"},
    "baselines": {"dynamics_gen", "benchmark", "baselines"},
    "leaderboard": {"dynamics_gen", "benchmark", "leaderboard"},
}

SUBMISSION = (
    *("any_result", "archive", "check", "files", "frames", "frames_result", "hdf5", "ownership", "problems", "result"),
    *("said", "schema", "scored", "split", "views"),
)

RESULTS = {
    f"benchmark.{name}"
    for name in (
        "calibration",
        "comparison",
        "errors",
        "human.result",
        "plots",
        "predictions",
        "generation.record",
        "prediction.record",
        "prediction.steps",
        "ranking",
        "recipe",
        "reproduction.result",
        "record",
        "record_file",
        "schema",
        "statistics",
        "study_record",
        *(f"submission.{part}" for part in SUBMISSION),
    )
}
"""What the board knows of the benchmark: results, how sure they are and how they look, nothing that trains."""


@dataclass(frozen=True)
class Import:
    """One import of a module, as written."""

    importer: str
    imported: str
    line: int
    lazy: bool
    """Inside a function."""
    checking: bool
    """For the type checker alone."""


def sources() -> list[Path]:
    """Every module of the four packages."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module_of(path: Path) -> str:
    """The dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in sources()}


def imports_in(path: Path) -> list[Import]:
    """Every import of a file, also those through importlib with the name spelt out."""
    importer = module_of(path)

    def visit(node: ast.AST, lazy: bool, checking: bool) -> Iterator[Import]:
        for name in names(node):
            yield Import(importer, name, getattr(node, "lineno", 0), lazy, checking)
        lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        checking = checking or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for child in ast.iter_child_nodes(node):
            yield from visit(child, lazy, checking)

    def names(node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            return [name if name in MODULES else str(node.module) for name in inner]
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            return [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        return []

    return list(visit(ast.parse(path.read_text("utf-8")), lazy=False, checking=False))


IMPORTS = [found for path in sources() for found in imports_in(path)]


def package(module: str) -> str:
    """The first part of a dotted name."""
    return module.partition(".")[0]


def test_the_walk_sees_imports() -> None:
    """It finds what is known to be there: at the top, inside a function, and of another package."""
    assert len(IMPORTS) > 200
    seen = {(found.importer, found.imported, found.lazy) for found in IMPORTS}
    assert ("benchmark.record", "dynamics_gen.classes", False) in seen
    assert ("benchmark.cli", "leaderboard.table", True) in seen
    assert ("leaderboard.entries", "benchmark.record", False) in seen


def test_packages_import_one_way() -> None:
    """Only the command line looks the other way, and only inside a command."""
    wrong = [
        found
        for found in IMPORTS
        if package(found.imported) in PACKAGES
        and package(found.imported) not in MAY_IMPORT[package(found.importer)]
        and not (found.importer == "benchmark.cli" and found.lazy)
    ]
    assert wrong == []


def test_board_knows_results_alone() -> None:
    """Of the benchmark it imports what describes results; a host needs nothing that trains."""
    used = {found.imported for found in IMPORTS if package(found.importer) == "leaderboard"}
    assert {name for name in used if package(name) == "benchmark"} <= RESULTS
    inner = {
        found.imported for found in IMPORTS if found.importer in RESULTS and package(found.imported) == "benchmark"
    }
    assert inner <= RESULTS


def test_only_one_module_imports_the_engine() -> None:
    """PyBullet has one door."""
    assert {found.importer for found in IMPORTS if package(found.imported) in ("pybullet", "pybullet_data")} == {
        "dynamics_gen.bullet"
    }


def test_no_module_imports_itself_in_a_circle() -> None:
    """At load time the modules have an order."""
    order = TopologicalSorter[str]()
    for found in IMPORTS:
        if found.imported in MODULES and not found.lazy and not found.checking:
            order.add(found.importer, found.imported)
    order.prepare()


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import dynamics_gen", "torch pybullet matplotlib"),
        ("import dynamics_gen.dataset", "torch pybullet matplotlib"),
        ("import dynamics_gen.cli", "torch pybullet matplotlib"),
        ("import benchmark.cli", "torch pybullet matplotlib leaderboard baselines"),
        ("import benchmark.record, benchmark.predictions, benchmark.statistics", "torch pybullet matplotlib rich h5py"),
        ("import leaderboard.site.build", "torch pybullet matplotlib rich h5py"),
        ("import benchmark.flow_maker", "torch pybullet matplotlib cv2"),
        ("import leaderboard.table", "torch pybullet matplotlib rich h5py"),
        ("import leaderboard.results.command", "torch pybullet matplotlib rich h5py"),
        ("from dynamics_gen.cli import main; main(['--help'], standalone_mode=False)", "torch pybullet"),
        ("from benchmark.cli import main; main(['--help'], standalone_mode=False)", "torch pybullet"),
        ("from benchmark.cli import main; main(['list'], standalone_mode=False)", "torch pybullet cv2 sklearn scipy"),
        ("from benchmark.cli import main; main(['table', '--check'], standalone_mode=False)", "torch pybullet"),
        ("from benchmark.cli import main; main(['results', '--check'], standalone_mode=False)", "torch pybullet"),
    ],
)
def test_light_things_load_nothing_heavy(statement: str, unwanted: str) -> None:
    """In a fresh interpreter, after the statement, none of the unwanted packages is loaded."""
    program = f"{statement}\nimport sys; print('LOADED', *sorted(set({unwanted.split()}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["LOADED"]
