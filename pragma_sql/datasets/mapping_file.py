"""`mapping.yml` -> DatasetMapping: the keys of each section and their allowed values."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from pragma_sql.datasets.mapping import (
    RESERVED_KEYS,
    AsOf,
    DatasetMapping,
    Events,
    Labels,
    Milestone,
    Picked,
    Profiles,
    Rows,
    Time,
    Transfers,
    Unit,
)
from pragma_sql.datasets.strict_yaml import Section, entries_of, moment_of, parse, shown, text_of
from pragma_sql.formats.errors import PragmaError

TABLE = ("files", "table", "sql", "where", "distinct")
"""The keys of every section that reads a table."""

RESERVED_DATABASES = ("main", "memory", "pragma", "system", "temp")
"""Names of databases that DuckDB and the warehouse use themselves."""


def read_mapping(path: Path) -> DatasetMapping:
    """Read and check a mapping.yml, without the tables that it names.

    Raises:
        PragmaError: names the place in the file, what is wrong there, and how to fix it.
    """
    try:
        return parse_mapping(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PragmaError(f"{path}: there is no such file", f"pragma init {path.parent}") from None
    except UnicodeDecodeError:
        raise PragmaError(f"{path} is not UTF-8", "save it as UTF-8") from None


def parse_mapping(text: str) -> DatasetMapping:
    """Read and check the text of a mapping.yml; see `read_mapping`."""
    file = parse(text)
    file.allow("zone", "databases", "events", "profiles", "labels", "transfers")
    events = tuple(_events(name, section) for name, section in file.sections("events"))
    if not events:
        raise PragmaError("mapping.yml: events: there is no source", "name a table of events")
    mapping = DatasetMapping(
        zone=file.text_or("zone", "UTC"),
        databases=_databases(file.section("databases")),
        events=events,
        profiles=_profiles(file.section("profiles")),
        labels=tuple(_labels(name, section) for name, section in file.sections("labels")),
        transfers=tuple(_transfers(name, section) for name, section in file.sections("transfers")),
    )
    _check_milestones(mapping)
    return mapping


def _databases(section: Section) -> dict[str, str]:
    for name, _ in section.items():
        if name.lower() in RESERVED_DATABASES:
            raise PragmaError(f"mapping.yml: databases: {name} is taken", "choose another name")
    return {name: text_of(section.at(name), path) for name, path in section.items()}


def _events(source: str, section: Section) -> Events:
    section.allow("id", "fields", "except", "rename", *TABLE, needed=("user", "time"))
    return Events(
        source=source,
        rows=_rows(section),
        user=section.text("user"),
        time=_time(section.at("time"), section.value("time")),
        id=section.text_or("id"),
        fields=_picked(section, "fields"),
    )


def _profiles(section: Section) -> Profiles:
    section.allow("user", "as_of", "latest", "attributes", "except", "rename", "lifelong", *TABLE)
    lifelong = section.section("lifelong")
    has_table = any(key in section for key in TABLE)
    if not has_table:
        for key, _ in section.items():
            if key != "lifelong":
                raise PragmaError(
                    f"mapping.yml: {section.at(key)} needs a table, and profiles has none",
                    "add `files: ...`",
                )
    return Profiles(
        rows=_rows(section) if has_table else None,
        user=section.text("user") if has_table else "",
        as_of=_as_of(section),
        latest=section.text_or("latest"),
        attributes=_picked(section, "attributes"),
        lifelong=tuple(_milestone(lifelong, key, value) for key, value in lifelong.items()),
    )


def _as_of(section: Section) -> Time | AsOf:
    if "as_of" not in section:
        return "dataset_end"
    value = section.value("as_of")
    if value == "book_end":  # its old name
        return "dataset_end"
    for known in get_args(AsOf):
        if value == known:
            word: AsOf = known
            return word
    return _time(section.at("as_of"), value)


def _milestone(section: Section, key: str, value: object) -> Milestone:
    place = section.at(key)
    if not isinstance(value, dict) or "first" not in value:
        return Milestone(key, _time(place, value))
    entry = Section(place, value)
    entry.allow("where", needed=("first",))
    return Milestone(key, None, entry.text("first"), entry.text_or("where"))


def _labels(task: str, section: Section) -> Labels:
    section.allow("split", *TABLE, needed=("user", "moment", "label"))
    return Labels(
        task=task,
        rows=_rows(section),
        user=section.text("user"),
        moment=_time(section.at("moment"), section.value("moment")),
        label=section.text("label"),
        split=section.text_or("split"),
    )


def _transfers(name: str, section: Section) -> Transfers:
    section.allow(*TABLE, needed=("from_user", "to_user", "time", "amount"))
    return Transfers(
        name=name,
        rows=_rows(section),
        from_user=section.text("from_user"),
        to_user=section.text("to_user"),
        time=_time(section.at("time"), section.value("time")),
        amount=section.text("amount"),
    )


def _rows(section: Section) -> Rows:
    kinds = [kind for kind in ("files", "table", "sql") if kind in section]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none"
        raise PragmaError(
            f"mapping.yml: {section.place}: one of files, table and sql is needed, found {found}",
            "name the rows in one way",
        )
    return Rows(
        place=section.place,
        files=section.texts("files"),
        table=section.text_or("table"),
        sql=section.text_or("sql"),
        where=section.text_or("where"),
        distinct=section.flag("distinct"),
    )


def _time(place: str, value: object) -> Time:
    if not isinstance(value, dict):
        return Time(moment_of(value) or text_of(place, value))
    section = Section(place, value)
    section.allow("unit", "format", "zone", needed=("column",))
    return Time(
        value=section.text("column"),
        unit=_unit(section),
        format=section.text_or("format"),
        zone=section.text_or("zone"),
    )


def _unit(section: Section) -> Unit | None:
    if "unit" not in section:
        return None
    found = section.value("unit")
    for unit in get_args(Unit):
        if found == unit:
            known: Unit = unit
            return known
    units = f"one of {', '.join(get_args(Unit))}"
    raise PragmaError(
        f"mapping.yml: {section.at('unit')} is {shown(found)}, not {units}", f"write {units}"
    )


def _picked(section: Section, key: str) -> Picked:
    if key not in section:
        rename = section.section("rename")
        renamed = {column: text_of(rename.at(column), name) for column, name in rename.items()}
        _check_keys(rename.place, list(renamed.values()))
        return Picked(None, section.texts("except"), renamed)
    for other in ("except", "rename"):
        if other in section:
            raise PragmaError(
                f"mapping.yml: {section.place}: {key} and {other} are both there",
                f"list the {key} wanted, or say what to change of all columns",
            )
    entries = entries_of(section.at(key), section.value(key))
    pairs = [pair for place, entry in entries for pair in _pairs(place, entry)]
    _check_keys(section.at(key), [name for name, _ in pairs])
    return Picked(dict(pairs))


def _pairs(place: str, entry: object) -> list[tuple[str, str]]:
    """Pairs of name and column or SQL, from `column` or `{name: column or SQL, ...}`."""
    if isinstance(entry, dict):
        section = Section(place, entry)
        return [(name, text_of(section.at(name), value)) for name, value in section.items()]
    return [(text_of(place, entry), text_of(place, entry))]


def _check_keys(place: str, keys: list[str]) -> None:
    for key in keys:
        if key in RESERVED_KEYS:
            raise PragmaError(
                f"mapping.yml: {place}: the name {key} is reserved", "give the field another name"
            )
        if keys.count(key) > 1:
            raise PragmaError(f"mapping.yml: {place}: {key} is there twice", "keep one")


def _check_milestones(mapping: DatasetMapping) -> None:
    sources = [events.source for events in mapping.events]
    for milestone in mapping.profiles.lifelong:
        place = f"mapping.yml: profiles.lifelong.{milestone.key}"
        if milestone.first_of and milestone.first_of not in sources:
            raise PragmaError(
                f"{place}: there is no source {milestone.first_of}",
                f"the sources are {', '.join(sources)}",
            )
        if not milestone.first_of and mapping.profiles.rows is None:
            raise PragmaError(
                f"{place} names a column, but profiles has no table", "add `files: ...`"
            )
