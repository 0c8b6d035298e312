"""Content from outside -> values of our types, by pydantic; its errors in our sentences.

A message names the place, what was found there, what was expected, and the next step. A misspelt
key comes before all other errors, because it may be their cause.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from pragma_sql.formats.errors import PragmaError, other_key

T = TypeVar("T")
Place = Sequence[int | str]

UNKNOWN_KEY = "unexpected_keyword_argument"
EXPECTED: Mapping[str, str] = {
    "string_type": "text",
    "bool_type": "true or false",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "mapping_type": "an object",
    "dataclass_type": "an object",
}
"""What is expected, by pydantic's type of error."""

MAX_SHOWN = 60
"""Most characters of a value, or of a key, that a message shows."""


def as_json(value: object) -> str:
    """A value as JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


@dataclass(frozen=True)
class Wording:
    """How messages speak of one kind of content."""

    whole: str
    """What the whole is called."""
    next_step: str
    missing: str = ""
    """The next step if a key is missing, in place of `next_step`; `{}` stands for the key."""
    text: str = ""
    """The next step if text is expected, in place of `next_step`."""
    file: str = ""
    """What each message names first."""
    shown: Callable[[object], str] = as_json


_adapter: Callable[[type], TypeAdapter[Any]] = cache(TypeAdapter)


def validate(kind: type[T], content: object, wording: Wording) -> T:
    """The content as a value of a type.

    Raises:
        PragmaError: it does not fit the type.
    """
    try:
        value: T = _adapter(kind).validate_python(content)
    except ValidationError as error:
        raise _refusal(kind, error, wording) from None
    return value


def validate_json(kind: type[T], text: str, wording: Wording) -> T:
    """JSON as a value of a type, without conversions such as of text to numbers.

    Raises:
        PragmaError: it does not fit the type.
    """
    try:
        value: T = _adapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        raise _refusal(kind, error, wording) from None
    return value


def not_a(thing: str, next_step: str = "") -> PydanticCustomError:
    """For validators: the value is not what is expected."""
    return PydanticCustomError("not_a", "{thing}", {"thing": thing, "next_step": next_step})


def wrong(what: str, next_step: str) -> PydanticCustomError:
    """For validators: what is wrong with the value, in words that follow its place."""
    return PydanticCustomError("wrong", "{what}", {"what": what, "next_step": next_step})


def _refusal(kind: type, error: ValidationError, wording: Wording) -> PragmaError:
    errors = error.errors(include_url=False)
    misspelt = next((each for each in errors if each["type"] == UNKNOWN_KEY), None)
    if misspelt:
        what, next_step = _no_such_key(kind, misspelt["loc"], errors)
    else:
        what, next_step = _sentence(errors[0], wording)
    return PragmaError(f"{wording.file}: {what}" if wording.file else what, next_step)


def _no_such_key(
    kind: type, place: tuple[int | str, ...], errors: Sequence[ErrorDetails]
) -> tuple[str, str]:
    """What is wrong, and the next step."""
    missing = [
        str(each["loc"][-1])
        for each in errors
        if each["type"] == "missing" and each["loc"][:-1] == place[:-1]
    ]
    next_step = other_key(str(place[-1]), _known_keys(kind, place[:-1]), missing)
    return f"{_place(place)}: there is no such key", next_step


def _sentence(error: ErrorDetails, wording: Wording) -> tuple[str, str]:
    """What is wrong, and the next step."""
    kind, place, context = error["type"], error["loc"], error.get("ctx", {})
    where = _place(place) or wording.whole
    if kind == "missing":
        missing = wording.missing.replace("{}", str(place[-1]))
        return f"{where} is missing", missing or wording.next_step
    if place[-1:] == ("[key]",) and kind == "string_too_short":
        return f"{_place(place[:-2])}: a name is empty", "name it"
    if kind == "literal_error":
        expected = "one of " + context["expected"].replace("'", "").replace(" or ", ", ")
    else:
        expected = context["thing"] if kind == "not_a" else EXPECTED.get(kind, "")
    hint = context.get("next_step") or (wording.text if expected == "text" else "")
    found = f" is {wording.shown(error['input'])}, not {expected}"
    return f"{where}{found if expected else ': ' + error['msg']}", hint or wording.next_step


def _place(place: Place) -> str:
    r"""A place, with odd keys in quotes.

    >>> _place(("events", 3, "fields", "two words", "a\nb"))
    'events[3].fields.two words."a\\nb"'
    """
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part if _is_plain(part) else as_json(part)}"
        for part in place
    ).removeprefix(".")


def _is_plain(key: str) -> bool:
    return key.isprintable() and bool(key.strip()) and len(key) <= MAX_SHOWN


def _known_keys(kind: type, place: Place) -> list[str]:
    """The keys of the object at a place, in order, from the JSON schema of the type."""
    schema = _adapter(kind).json_schema()
    node = schema
    for part in place:
        node = node["items"] if isinstance(part, int) else node["properties"][part]
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return list(node["properties"])
