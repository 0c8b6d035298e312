"""The warehouse's macros, rendered without dbt, for the `tokenize.sql` of a bundle."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from jinja2 import Environment, StrictUndefined

from pragma_sql.formats.paths import MACROS

Macro = Callable[..., str]


class _Returned(str):
    """The result of dbt's `return` inside a macro, for macros that give text."""


class _Adapter:
    """dbt's `adapter.dispatch`: `name` is `<form>__name` in the first form that has it."""

    def __init__(self, forms: Sequence[str]) -> None:
        self._forms = (*forms, "default")
        self.macros: dict[str, Macro] = {}

    def dispatch(self, name: str, _package: str) -> Macro:
        found = (self.macros.get(f"{form}__{name}") for form in self._forms)
        return next(macro for macro in found if macro)


PURE = ("tokenizer", "engine", "functions")
"""Folders of macros that are pure text: they use no ref and run no query."""


def load_macros(forms: Sequence[str] = ("duckdb",)) -> dict[str, Macro]:
    """The macros that are pure text, by name, as functions that return SQL.

    Args:
        forms: prefixes of the forms of a macro, in order of preference.
    """
    adapter = _Adapter(forms)
    environment = Environment(
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - SQL, not HTML
        extensions=["jinja2.ext.do"],
    )
    environment.globals |= {"adapter": adapter, "return": _Returned}
    source = "\n".join(
        path.read_text() for name in PURE for path in sorted((MACROS / name).glob("*.sql"))
    )
    module = environment.from_string(source).module
    adapter.macros = {name: value for name, value in vars(module).items() if callable(value)}
    return adapter.macros


def tokenize_sql(spec_json: str, tokenizer_hash: str) -> str:
    """The tokenizer as temporary views over `events` and `profiles`.

    On a connection with `bpe_encode` and these two relations, it creates `event_tokens`,
    `profile_tokens` and `user_tokens`, equal to the warehouse's. A repeated event counts once.

    Args:
        spec_json: fit.tokenizer.spec.
        tokenizer_hash: fit.tokenizer.tokenizer_hash.
    """
    macros = load_macros(("online", "duckdb"))
    spec = json.loads(spec_json)
    once = " ".join(("(select * from events", macros["first_of_each_event"](), ") as once"))
    views = {
        "texts": macros["encoded_texts"](spec, "events", "profiles"),
        "event_tokens": macros["tokenize_events"](spec, once, "texts"),
        "profile_tokens": macros["tokenize_profiles"](spec, "profiles", "texts"),
        "user_tokens": macros["collect_user_tokens"](
            "event_tokens", "profile_tokens", tokenizer_hash
        ),
    }
    return (
        "\n\n".join(
            f"create or replace temp view {name} as\n{sql.strip()};" for name, sql in views.items()
        )
        + "\n"
    )
