"""The layers of the design, proven on the code: statically for the imports, in a subprocess for what they bring."""

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import core

_ROOT = Path(core.__file__).parent
_LAYERS = (
    {"errors", "cancellation", "external_text", "quantities", "folders", "own_commands", "settings", "throttle"},
    {"models", "aws"},
    {"account"},
    {"instances"},
    {"serving"},
    {"artifacts"},
    {"deployments"},
    {"endpoints"},
    {"demo"},
)
_RANK = {name: rank for rank, names in enumerate(_LAYERS) for name in names}
_TERMINAL = {"textual", "rich", "click", "questionary", "prompt_toolkit", "tui"}
_HEAVY = {
    "boto3",
    "botocore",
    "huggingface_hub",
    "transformers",
    "torch",
    "sagemaker",
    "moto",
    "isal",
    "yaml",
    "msgspec",
}


def _modules() -> list[Path]:
    return sorted(path for path in _ROOT.rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(_ROOT)))
def test_a_module_imports_its_own_layer_or_those_below(path: Path) -> None:
    part = path.relative_to(_ROOT).parts[0].removesuffix(".py")
    for name in _imports(path):
        pieces = name.split(".")
        assert pieces[0] not in _TERMINAL, f"{name}: core knows no terminal"
        if pieces[0] != "core" or len(pieces) < 2 or part in {"__init__", "sandbox"}:
            continue
        if pieces[1] == "sandbox":
            assert part == "account", f"{name}: only core.account starts the sandbox"
        elif pieces[1] in _RANK:
            assert _RANK[pieces[1]] <= _RANK[part], f"{name}: {part} is below {pieces[1]}"


def test_every_part_of_core_has_its_layer() -> None:
    parts = {module.name for module in pkgutil.iter_modules([str(_ROOT)])}
    assert parts == set(_RANK) | {"sandbox"}


def test_importing_all_of_core_loads_nothing_heavy() -> None:
    names = [
        ".".join(("core", *path.relative_to(_ROOT).with_suffix("").parts)).removesuffix(".__init__")
        for path in _modules()
        if path.stem != "__main__" and (path.relative_to(_ROOT).parts[0] != "sandbox" or path.stem == "daemon")
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print(sorted({_HEAVY | _TERMINAL!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
