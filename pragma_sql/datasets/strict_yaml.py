"""A strict reader of YAML that people write: unknown and repeated keys are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import yaml

from pragma_sql.formats.errors import PragmaError, other_key


class _Strict(yaml.SafeLoader):
    """Refuses a repeated key, of which YAML would silently take the last."""

    def construct_sequence(self, node: yaml.SequenceNode, deep: bool = False) -> list[object]:
        if node.flow_style:
            _check_commas(node.value)
        return super().construct_sequence(node, deep)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        if node.flow_style:
            _check_commas([part for pair in node.value for part in pair])
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                line = key.start_mark.line + 1
                raise PragmaError(
                    f"mapping.yml: line {line}: the key {key.value!r} is there twice", "keep one"
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _check_commas(nodes: Sequence[yaml.Node]) -> None:
    """Refuse SQL that a comma splits: in `{shop: coalesce(a, b)}` the value ends at the comma.

    Args:
        nodes: the entries of a list or mapping on one line, in order, keys before values.
    """
    open_since: list[str] = []
    for node in nodes:
        if not isinstance(node, yaml.ScalarNode):
            open_since = []
        elif node.style is None and (open_since or _depth(node.value) > 0):
            open_since.append(node.value)
            if _depth(" ".join(open_since)) <= 0:
                whole = ", ".join(part for part in open_since if part)
                raise PragmaError(
                    f"mapping.yml: line {node.start_mark.line + 1}: the comma in {whole} ends the "
                    "entry, since it stands within brackets",
                    f"put it into quotes: {_quoted(whole)}",
                )


def _depth(text: str) -> int:
    """The number of brackets that are still open."""
    plain = re.sub(r"'[^']*'|\"[^\"]*\"", "", text)
    return plain.count("(") - plain.count(")")


def _quoted(text: str) -> str:
    return f'"{text}"' if '"' not in text else "'" + text.replace("'", "''") + "'"


def parse(text: str) -> Section:
    """Read YAML as a section.

    Raises:
        PragmaError: it is not YAML, or a key is repeated.
    """
    try:
        content = yaml.load(text, Loader=_Strict)  # noqa: S506
    except yaml.YAMLError as error:
        what = " ".join(str(error).split())
        raise PragmaError(f"mapping.yml: {what}", "fix the YAML") from None
    return Section("", content)


class Section:
    """A mapping of the file, and its place, such as `events.transactions`."""

    def __init__(self, place: str, content: object) -> None:
        if not isinstance(content, dict):
            where = place or "the file"
            raise PragmaError(
                f"mapping.yml: {where} is {shown(content)}, not `key: value` pairs",
                "write `key: value` pairs",
            )
        self.place = place
        self._content: dict[str, object] = {str(key): value for key, value in content.items()}

    def at(self, key: str) -> str:
        """The place of a key."""
        return f"{self.place}.{key}" if self.place else key

    def allow(self, *optional: str, needed: Sequence[str] = ()) -> None:
        """Refuse any other key."""
        known = (*needed, *optional)
        for key in self._content:
            if key not in known:
                missing = [each for each in needed if each not in self]
                raise PragmaError(
                    f"mapping.yml: {self.at(key)}: there is no such key",
                    other_key(key, known, missing),
                )

    def __contains__(self, key: str) -> bool:
        return self._content.get(key) is not None

    def items(self) -> Iterator[tuple[str, object]]:
        """Keys and values, in the order written."""
        yield from self._content.items()

    def value(self, key: str) -> object:
        """The value of a required key."""
        if key not in self:
            raise PragmaError(f"mapping.yml: {self.at(key)} is missing", f"add `{key}: ...`")
        return self._content[key]

    def text(self, key: str) -> str:
        """The text at a required key."""
        return text_of(self.at(key), self.value(key))

    def text_or(self, key: str, default: str = "") -> str:
        """The text at an optional key, else the default."""
        return self.text(key) if key in self else default

    def texts(self, key: str) -> tuple[str, ...]:
        """One text or a list of texts at a key; empty if the key is missing."""
        value = self._content.get(key)
        if value is None:
            return ()
        return tuple(text_of(place, entry) for place, entry in entries_of(self.at(key), value))

    def flag(self, key: str) -> bool:
        """True or false at a key; false if the key is missing."""
        value = self._content.get(key, False)
        if not isinstance(value, bool):
            raise PragmaError(
                f"mapping.yml: {self.at(key)} is {shown(value)}, not true or false",
                "write true or false",
            )
        return value

    def section(self, key: str) -> Section:
        """The section at a key; empty if the key is missing."""
        return Section(self.at(key), self._content.get(key) or {})

    def sections(self, key: str) -> Iterator[tuple[str, Section]]:
        """The named sections under a key."""
        for name, content in self.section(key).items():
            if not name.strip():
                raise PragmaError(f"mapping.yml: {self.at(key)}: a name is empty", "name it")
            yield name, Section(f"{self.at(key)}.{name}", content)


def entries_of(place: str, value: object) -> list[tuple[str, object]]:
    """The entries of a list with their places; a value that is no list is the only entry."""
    if not isinstance(value, list):
        return [(place, value)]
    return [(f"{place}[{number}]", entry) for number, entry in enumerate(value)]


def text_of(place: str, value: object) -> str:
    """A text, or a number in the form it is written in."""
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise PragmaError(
        f"mapping.yml: {place} is {shown(value)}, not text", "put it into quotes, if meant"
    )


def moment_of(value: object) -> datetime | None:
    """A literal date or moment without a zone; None for anything else.

    >>> moment_of("2024-01-31"), moment_of("opened")
    (datetime.datetime(2024, 1, 31, 0, 0), None)
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else None


def shown(value: object) -> str:
    """A value as YAML writes it, on one line."""
    return (
        "empty" if value is None else yaml.safe_dump(value, default_flow_style=True).split("\n")[0]
    )
