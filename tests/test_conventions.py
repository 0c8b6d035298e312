"""What keeps the house in order: directions of import, documentation, gates."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "dbt_project" / "models"
MACROS = ROOT / "macros"
MACRO = re.compile(r"\{%-? (macro|materialization) (\w+)(?:\((.*?)\) -?%\})?", re.S)

FORBIDDEN = {
    "pragma_sql": {"pragma_model", "pragma_udfs", "torch", "lightgbm", "sklearn"},
    "pragma_udfs": {"pragma_model", "torch"},
    "pragma_model": {"pragma_udfs", "duckdb", "dbt", "great_expectations"},
}


def imports_of(path: Path) -> set[str]:
    """Dotted names that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def files_of(package: str) -> list[Path]:
    return sorted(folder_of(package).glob("**/*.py"))


def folder_of(package: str) -> Path:
    return ROOT / "udfs" / package if package == "pragma_udfs" else ROOT / package


def module_of(path: Path) -> str:
    """Its dotted name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[1:] if parts[0] == "udfs" else parts).removesuffix(".__init__")


@pytest.mark.parametrize("package", FORBIDDEN)
def test_rooms_import_only_in_the_stated_directions(package: str) -> None:
    for path in files_of(package):
        tops = {name.split(".")[0] for name in imports_of(path)}
        assert not tops & FORBIDDEN[package], path


def test_no_room_loads_another_by_the_text_of_its_name() -> None:
    """Rooms offer each other commands and engines by entry points, which need no such import."""
    for package in FORBIDDEN:
        for path in files_of(package):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
                    named = {
                        each.value for each in ast.walk(node) if isinstance(each, ast.Constant)
                    }
                    tops = {str(name).split(".")[0] for name in named}
                    assert not tops & FORBIDDEN[package], path


def test_the_model_room_knows_of_the_warehouse_room_only_its_formats() -> None:
    for path in files_of("pragma_model"):
        used = {name.split(".")[1] for name in imports_of(path) if name.startswith("pragma_sql.")}
        assert used <= {"formats"}, path


def test_no_module_imports_in_a_circle() -> None:
    graph = {
        module_of(path): imports_of(path) for package in FORBIDDEN for path in files_of(package)
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above, module))
        if module in done:
            return
        for imported in graph.get(module, set()):
            visit(imported, (*above, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_every_var_that_the_fit_reads_is_remembered_with_it() -> None:
    """A change of any other var would be ignored, and nobody told."""
    files = [*(MODELS / "fit").glob("*.sql"), *(MACROS / "fit").glob("*.sql")]
    read = {name for path in files for name in re.findall(r"var\('(\w+)'", path.read_text())}
    listed = (MACROS / "refit" / "fit_vars.sql").read_text()
    assert read - {"dataset"} == set(re.findall(r"'(\w+)'", listed))


def test_nothing_is_pickled_or_evaluated() -> None:
    for package in FORBIDDEN:
        for path in files_of(package):
            assert not imports_of(path) & {"pickle", "dill", "joblib", "shelve"}, path
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id not in {"eval", "exec"}, path


def with_examples() -> list[str]:
    """The modules whose docstrings hold examples, by their dotted names."""
    return [
        module_of(path)
        for package in FORBIDDEN
        for path in files_of(package)
        if ">>>" in path.read_text()
    ]


@pytest.mark.parametrize("module", with_examples())
def test_the_examples_in_docstrings_are_true(module: str) -> None:
    tried = doctest.testmod(importlib.import_module(module))
    assert tried.attempted > 0
    assert tried.failed == 0


def command_names() -> set[str]:
    from pragma_sql.cli import app

    # A test that ran the command before has also registered those of the entry points, by name.
    own = {
        command.name or command.callback.__name__
        for command in app.registered_commands
        if command.callback
    }
    return own | {entry.name for entry in entry_points(group="pragma.commands")}


def test_each_command_of_the_readme_exists_and_each_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"`?pragma ([a-z][a-z-]*)\b(?=[ `\n])", "\n".join(code_of(readme))))
    assert named == command_names()


def code_of(markdown: str) -> list[str]:
    """Fenced blocks and inline code."""
    fenced = re.findall(r"```.*?\n(.*?)```", markdown, re.S)
    return fenced + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", markdown, flags=re.S))


def test_each_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"make ([a-z-]+)", "\n".join(code_of((ROOT / "README.md").read_text()))))
    assert {"demo", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.M), target


def layout_of_the_readme() -> list[Path]:
    """The paths that the block under `## Layout` lists, indented below their folders."""
    section = (ROOT / "README.md").read_text().partition("\n## Layout\n")[2]
    (block, *_) = re.findall(r"```\n(.*?)```", section, re.S)
    paths, above = [], [(-1, Path())]
    for line in block.splitlines():
        name = line.split()[0]
        indent = len(line) - len(line.lstrip())
        above = [folder for folder in above if folder[0] < indent]
        paths.append(above[-1][1] / name)
        above.append((indent, paths[-1]))
    return paths


def test_each_path_of_the_layout_exists_and_each_folder_of_the_top_is_in_it() -> None:
    listed = layout_of_the_readme()
    assert [path for path in listed if not (ROOT / path).exists()] == []
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: what belongs to the repository is not known")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    folders = {Path(path).parts[0] for path in tracked if "/" in path}
    assert folders == {path.parts[0] for path in listed}


def test_each_command_shows_an_example_in_its_help() -> None:
    from pragma_sql.cli import app

    callbacks = [command.callback for command in app.registered_commands]
    callbacks += [entry.load() for entry in entry_points(group="pragma.commands")]
    for callback in callbacks:
        assert callback is not None
        assert "Example: pragma " in (callback.__doc__ or ""), callback


def documented_models() -> dict[str, str]:
    found = {}
    for path in MODELS.glob("**/*.yml"):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            found[model["name"]] = " ".join(model["description"].split())
    return found


def test_each_dbt_model_is_documented_down_to_its_grain() -> None:
    described = documented_models()
    models = {path.stem for path in MODELS.glob("**/*") if path.suffix in (".sql", ".py")}
    assert models == set(described)
    for name, description in described.items():
        assert re.search(r"One row( per |\.)", description), name


def test_each_dbt_model_has_a_unit_test_or_says_where_it_is_tested() -> None:
    properties = [yaml.safe_load(path.read_text()) for path in MODELS.glob("**/*.yml")]
    tested = {test["model"] for found in properties for test in found.get("unit_tests", [])}
    for model in (model for found in properties for model in found.get("models", [])):
        elsewhere = model.get("config", {}).get("meta", {}).get("tested_in")
        assert (model["name"] in tested) is not bool(elsewhere), model["name"]
        assert elsewhere is None or (ROOT / elsewhere).is_file(), elsewhere


def test_downstream_of_the_contract_nothing_runs_before_its_checks() -> None:
    contract = {"events", "profiles", "labels", "transfers"}
    for path in MODELS.glob("**/*.sql"):
        if path.is_relative_to(MODELS / "contract") or path.stem == "new_events":
            continue  # new_events is what the checks look at
        referred = set(re.findall(r"(?<!_)ref\('(\w+)'\)", path.read_text()))
        assert not referred & contract, f"{path}: use checked_ref(...) instead of ref(...)"


def macro_files() -> list[Path]:
    return sorted(MACROS.glob("*/*.sql"))


def private_macros(path: Path) -> set[str]:
    return {name for _, name, _ in MACRO.findall(path.read_text()) if name.startswith("_")}


def test_each_file_of_macros_holds_one_public_macro_of_its_name() -> None:
    """Implementations of a macro, such as `duckdb__literal`, stand in its file."""
    for path in macro_files():
        names = {name.partition("__")[2] or name for _, name, _ in MACRO.findall(path.read_text())}
        assert names - private_macros(path) == {path.stem}, path


def test_a_private_macro_is_used_in_its_own_file_alone() -> None:
    texts = {path: path.read_text() for path in [*MACROS.rglob("*.sql"), *MODELS.rglob("*.*")]}
    for path in macro_files():
        for name in private_macros(path):
            users = {used for used, text in texts.items() if re.search(rf"\b{name}\(", text)}
            assert users == {path}, name


def test_each_public_macro_is_documented_with_its_arguments() -> None:
    described = {
        (path.parent.name, macro["name"]): macro
        for path in MACROS.glob("*/_macros.yml")
        for macro in yaml.safe_load(path.read_text())["macros"]
    }
    signatures = {
        (path.parent.name, name): [part.partition("=")[0] for part in arguments.split(", ") if part]
        for path in macro_files()
        for kind, name, arguments in MACRO.findall(path.read_text())
        if kind == "macro" and name == path.stem
    }
    assert set(described) == set(signatures)
    for key, macro in described.items():
        arguments = macro.get("arguments", [])
        assert [argument["name"] for argument in arguments] == signatures[key], key
        assert macro["description"], key
        assert all(each["type"] and each["description"] for each in arguments), key


def test_only_the_contract_calls_source() -> None:
    for path in MODELS.glob("**/*.sql"):
        if not path.is_relative_to(MODELS / "contract"):
            assert "source(" not in path.read_text(), path
