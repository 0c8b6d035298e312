"""`pragma init`: a dbt project for a user's tables, with staging SQL from mapping.yml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from pragma_sql.datasets.from_clause import to_model
from pragma_sql.datasets.infer import CHOOSE, guess_mapping
from pragma_sql.datasets.managed_file import add_header, inspect
from pragma_sql.datasets.mapping import DatasetMapping
from pragma_sql.datasets.mapping_file import parse_mapping, read_mapping
from pragma_sql.datasets.scaffold import (
    EXAMPLE,
    GUIDE,
    STAGING,
    dataset_name,
    project_files,
    staging_yml,
)
from pragma_sql.datasets.staging import staging
from pragma_sql.datasets.user_tables import user_tables
from pragma_sql.formats.errors import PragmaError

Fate = Literal["made", "made again", "unchanged", "left alone"]

MAPPING = Path("mapping.yml")


@dataclass(frozen=True)
class Entry:
    """A file of the project, and what was done with it."""

    path: Path
    """Path within the project's folder."""
    fate: Fate
    text: str
    """The generated text, even if an edited file was kept instead."""


@dataclass(frozen=True)
class Project:
    """The result of `pragma init`."""

    folder: Path
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]

    @property
    def models(self) -> list[Entry]:
        """The staging models."""
        return [entry for entry in self.entries if entry.path.suffix == ".sql" and
                entry.path.parent == STAGING]  # fmt: skip


def init(folder: Path, tables: Sequence[str] = ()) -> Project:
    """Create a project, or update the staging SQL of one from its mapping.yml.

    Without a mapping.yml the folder must not hold a project yet. With one, only missing files are
    added, and staging models that nobody has edited are written again.

    Args:
        folder: the project's folder, created if it is missing.
        tables: NAME=PATH of tables whose columns fill the first mapping.yml.

    Raises:
        PragmaError: a file is in the way, or mapping.yml is wrong; nothing was written.
    """
    if folder.exists() and not folder.is_dir():
        raise PragmaError(f"{folder} is a file", "give a folder")
    if (folder / MAPPING).exists():
        if tables:
            raise PragmaError(
                f"{folder / MAPPING} is there already", "add the table to it, without --table"
            )
        return _complete(folder)
    with _present(folder):
        return _begin(folder, tables)


@contextmanager
def _present(folder: Path) -> Iterator[None]:
    """Create the folder, which paths are relative to; on failure, remove what was created."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in missing:
            path.rmdir()
        raise


def _begin(folder: Path, tables: Sequence[str]) -> Project:
    guess = guess_mapping(folder, tables) if tables else None
    dataset = dataset_name(folder.absolute())
    files = {
        MAPPING: GUIDE + (guess.text if guess else EXAMPLE),
        **project_files(dataset, guess.fit_until if guess else None, "UTC"),
    }
    there = [str(path) for path in files if (folder / path).exists()]
    if there:
        raise PragmaError(
            f"{folder} holds {', '.join(there)} already, and nothing is overwritten",
            "give another folder, or write a mapping.yml there first",
        )
    if guess is None or CHOOSE in guess.text:
        _write(folder, files)
        return Project(
            folder,
            _entries(files, "made"),
            (*(guess.notes if guess else ()), "mapping.yml: fill it in, then run again"),
        )
    made, notes = _staging(folder, parse_mapping(files[MAPPING]), dataset)
    _write(folder, {**files, **made})
    return Project(folder, _entries({**files, **made}, "made"), (*guess.notes, *notes))


def _complete(folder: Path) -> Project:
    mapping = read_mapping(folder / MAPPING)
    dataset = _dataset_of(folder)
    made, notes = _staging(folder, mapping, dataset)
    files = project_files(dataset, None, mapping.zone)
    missing = {path: text for path, text in files.items() if not (folder / path).exists()}
    entries = [*_entries(missing, "made"), *(_entry(folder, *item) for item in made.items())]
    _write(folder, {e.path: e.text for e in entries if e.fate in ("made", "made again")})
    return Project(folder, tuple(entries), notes)


def _dataset_of(folder: Path) -> str:
    path = folder / "dbt_project.yml"
    if not path.exists():
        return dataset_name(folder.absolute())
    try:
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))["vars"]
        dataset = declared["book"] if "book" in declared else declared["dataset"]
    except (yaml.YAMLError, KeyError, TypeError):
        raise PragmaError(f"{path}: vars has no dataset", "add `vars: {dataset: NAME}`") from None
    if not (isinstance(dataset, str) and dataset.isidentifier()):
        raise PragmaError(
            f"{path}: the dataset {dataset!r} is no plain word", "use letters, digits and _"
        )
    return dataset


def _staging(
    folder: Path, mapping: DatasetMapping, dataset: str
) -> tuple[Mapping[Path, str], tuple[str, ...]]:
    with user_tables(folder, mapping.databases) as tables:
        made = staging(mapping, tables, dataset)
    files = {
        STAGING / f"{dataset}_{relation}.sql": add_header(to_model(query), mapping.digest, "--")
        for relation, query in made.queries.items()
    }
    return {
        **files,
        STAGING / "_staging.yml": add_header(staging_yml(dataset), mapping.digest, "#"),
    }, made.notes


def _entry(folder: Path, path: Path, text: str) -> Entry:
    state = inspect(folder / path).state
    if state == "absent":
        return Entry(path, "made", text)
    if state == "edited":
        return Entry(path, "left alone", text)
    same = (folder / path).read_text(encoding="utf-8") == text
    return Entry(path, "unchanged" if same else "made again", text)


def _entries(files: Mapping[Path, str], fate: Fate) -> tuple[Entry, ...]:
    return tuple(Entry(path, fate, text) for path, text in files.items())


def _write(folder: Path, files: Mapping[Path, str]) -> None:
    """Write all files beside their places first, so that a full disk leaves none half-written."""
    drafts = {folder / path: folder / path.with_name(f".{path.name}.draft") for path in files}
    try:
        for (path, draft), text in zip(drafts.items(), files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(text, encoding="utf-8")
        for path, draft in drafts.items():
            draft.replace(path)
    except OSError as error:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
        raise PragmaError(f"{folder}: {error.strerror}", "check the folder's rights") from None


def models_text(project: Project) -> str:
    """The staging models that were made, each under its path."""
    shown = [entry for entry in project.models if entry.fate != "left alone"]
    return "\n".join(f"-- {project.folder / entry.path}\n{entry.text}" for entry in shown)


def summary(project: Project) -> list[str]:
    """Lines on what was done with each file, notes, and what to run next."""
    lines = [f"  {entry.fate:10} {project.folder / entry.path}" for entry in project.entries]
    edited = [str(entry.path) for entry in project.entries if entry.fate == "left alone"]
    if edited:
        lines.append(
            f"edited by hand, so left alone: {', '.join(edited)}; delete the file to get a new one"
        )
    lines += [note if note.startswith("warning") else f"note: {note}" for note in project.notes]
    ready = project.models != []
    step = "pragma validate --project" if ready else "edit mapping.yml, then pragma init"
    return [*lines, f"next: {step} {project.folder}"]
