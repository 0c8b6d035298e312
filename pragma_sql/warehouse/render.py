"""The warehouse's own macros, rendered without dbt: what a bundle carries as `tokenize.sql`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from jinja2 import Environment, StrictUndefined

from pragma_sql.formats.paths import MACROS

Macro = Callable[..., str]


class _Returned(str):
    """What dbt's `return` gives inside a macro, for macros that yield text."""


class _Adapter:
    """dbt's `adapter.dispatch`: `name` is found as `<form>__name`, of the first form that has it."""

    def __init__(self, forms: Sequence[str]) -> None:
        self._forms = (*forms, "default")
        self.macros: dict[str, Macro] = {}

    def dispatch(self, name: str, _package: str) -> Macro:
        found = (self.macros.get(f"{form}__{name}") for form in self._forms)
        return next(macro for macro in found if macro)


PURE = ("tokenizer", "engine", "functions")
"""Folders of macros that are text alone: no ref, and no query while they are rendered."""


def load_macros(forms: Sequence[str] = ("duckdb",)) -> dict[str, Macro]:
    """The macros that are text alone, by name, as functions that return SQL.

    Args:
        forms: prefixes of the forms that are taken where a macro has several, the first one first.
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

    Run on a connection that has `bpe_encode` and those two relations, it gives `event_tokens`,
    `profile_tokens` and `user_tokens`, equal to the warehouse's. An event that stands there twice
    is taken once.

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
