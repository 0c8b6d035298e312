"""`--var NAME=VALUE`: values are read by the type of the var in dbt_project.yml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import TypeAlias

import yaml

from pragma_sql.formats.errors import PragmaError

Value: TypeAlias = "str | int | float | Sequence[Value] | Mapping[str, Value]"

OLD_NAMES = {"book": "dataset"}
"""Old name of a var -> its name now."""

EXPECTED = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}


def parse_vars(pairs: Sequence[str], known: Mapping[str, Value]) -> dict[str, Value]:
    """NAME=VALUE as typed -> vars with values of the right types.

    >>> parse_vars(["days=[2016-07-01]", "warn={psi: 1}"], {"days": ["x"], "warn": {"psi": 2, "n": 3}})
    {'days': ['2016-07-01'], 'warn': {'psi': 1, 'n': 3}}

    Args:
        pairs: lists and mappings are JSON or YAML; entries that a mapping omits keep their value.
        known: the existing vars, each with a value of its type.

    Raises:
        PragmaError: there is no such var, or the value is of another type.
    """  # noqa: E501 - an example is one line
    variables: dict[str, Value] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise PragmaError(f"--var {pair}: no '='", "write it NAME=VALUE")
        name = OLD_NAMES.get(name, name)
        if name not in known:
            present = [each for each in known if each not in OLD_NAMES]
            near = get_close_matches(name, present, 1) or sorted(present)
            raise PragmaError(f"--var {name}: there is no such var", f"try {', '.join(near)}")
        variables[name] = _typed(name, text, variables.get(name, known[name]))
    return variables


def _typed(name: str, text: str, default: Value) -> Value:
    kind = next((kind for kind in EXPECTED if isinstance(default, kind)), None)
    if kind is None:
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    return _as(name, _like(value, default), default)


def _as(name: str, value: object, default: Value) -> Value:
    """The value, checked against the type of the default, as are the entries of a mapping."""
    kind = next((kind for kind in EXPECTED if isinstance(default, kind)), str)
    allowed = (int, float) if kind is float else (kind,)
    # In Python, a bool is an int.
    if not isinstance(value, allowed) or isinstance(value, bool) is not (kind is bool):
        shown = yaml.safe_dump(default, default_flow_style=True, width=10_000).split("\n")[0]
        raise PragmaError(
            f"--var {name}: {value!r} is not {EXPECTED.get(kind, 'text')}", f"write it like {shown}"
        )
    if isinstance(value, dict) and isinstance(default, dict):
        for key in value:
            if key not in default:
                near = get_close_matches(str(key), default, 1) or list(default)
                raise PragmaError(
                    f"--var {name}: there is no key {key} in it", f"try {', '.join(near)}"
                )
        return {
            key: _as(f"{name}: {key}", value.get(key, one), _number(one))
            for key, one in default.items()
        }
    if isinstance(value, list) and isinstance(default, list) and default:
        return [_as(f"{name}: entry {n + 1}", one, default[0]) for n, one in enumerate(value)]
    return value  # type: ignore[return-value] # is of the type of the default


def _number(default: Value) -> Value:
    """Treat a whole number in a mapping as a float, as it may be whole by chance: 3 and 1.6."""
    whole = isinstance(default, int) and not isinstance(default, bool)
    return float(default) if whole and isinstance(default, int) else default


def _like(value: object, default: Value) -> object:
    """Turn a date that YAML read in a list back into text, if texts are expected."""
    if isinstance(value, list) and isinstance(default, list) and default:
        return [_like(one, default[0]) for one in value]
    if isinstance(value, date) and isinstance(default, str):
        return str(value)
    return value
