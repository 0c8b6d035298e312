"""The warehouse's own macros, rendered without dbt: what a bundle carries as `tokenize.sql`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from pragma_sql.formats.paths import MACROS

Macro = Callable[..., str]


class _Returned(str):
    """What dbt's `return` gives inside a macro, for macros that yield text."""


class _Adapter:
    """dbt's `adapter.dispatch`, for one engine: `name` is found as `<engine>__name`."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self.macros: dict[str, Macro] = {}

    def dispatch(self, name: str, _package: str) -> Macro:
        return self.macros.get(f"{self._engine}__{name}") or self.macros[f"default__{name}"]


PURE = ("tokenizer", "engine", "functions")
"""Folders of macros that are text alone: no ref, and no query while they are rendered."""


def load_macros(folder: Path = MACROS, engine: str = "duckdb") -> dict[str, Macro]:
    """The macros that are text alone, by name, as functions that return SQL."""
    adapter = _Adapter(engine)
    environment = Environment(
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - SQL, not HTML
        extensions=["jinja2.ext.do"],
    )
    environment.globals |= {"adapter": adapter, "return": _Returned}
    source = "\n".join(
        path.read_text() for name in PURE for path in sorted((folder / name).glob("*.sql"))
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
    macros = load_macros()
    spec = json.loads(spec_json)
    once = " ".join(("(select * from events", macros["first_of_each_event"](), ") as once"))
    views = {
        "texts": macros["encoded_texts"](spec, "events", "profiles"),
        "event_tokens": macros["tokenize_events"](spec, once, "texts", few_rows=True),
        "profile_tokens": macros["tokenize_profiles"](spec, "profiles", "texts", few_rows=True),
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
