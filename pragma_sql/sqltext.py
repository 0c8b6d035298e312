"""SQL put together as expressions, never as text, and written as a dbt model reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import sqlglot
from sqlglot import TokenType, exp

FOLDER = "\ue000"
"""Stands in a path for the project's folder, which only a build knows.

A relative path would be looked for in the folder that a build is started from, before any other.
"""

AS_WRITTEN = {TokenType.STRING, TokenType.IDENTIFIER}
"""Tokens in quotes."""


def filled(template: str, **values: exp.Expr) -> exp.Expr:
    '''A template of our own, with an expression in the place of each `$name`.

    >>> print(to_sql(filled("select $x as x", x=column('a "b"'))))
    SELECT "a ""b""" AS x
    '''
    return exp.replace_placeholders(sqlglot.parse_one(template, read="duckdb"), **values)


def selected(template: str, **values: exp.Expr) -> exp.Select:
    """`filled`, of a SELECT."""
    query = filled(template, **values)
    assert isinstance(query, exp.Select)
    return query


def column(name: str) -> exp.Column:
    """A column by its name, quoted."""
    return exp.column(exp.to_identifier(name, quoted=True))


def literals(texts: Iterable[str]) -> exp.Array:
    """A list of strings."""
    return exp.Array(expressions=[exp.Literal.string(text) for text in texts])


def model(name: str) -> exp.Table:
    """A dbt model: `{{ ref('name') }}`; the name is a plain word."""
    assert name.isidentifier()
    return exp.Table(this=exp.Var(this=f"{{{{ ref('{name}') }}}}"))


def to_sql(expression: exp.Expr, folder: str = "") -> str:
    """The text that DuckDB runs, for a project in a folder."""
    return expression.transform(_with_folder, folder).sql("duckdb")


def to_model(query: exp.Expr) -> str:
    """The text of a dbt model: keywords in lower case, and what Jinja would read made plain."""
    safe = query.transform(_safe_for_jinja).transform(_with_folder, "{{ pragma.project_folder() }}")
    return lower_keywords(safe.sql("duckdb", pretty=True, indent=4, pad=4)) + "\n"


def chained(steps: Sequence[tuple[str, exp.Query]]) -> exp.Select:
    """The steps as common table expressions, and all of the last one."""
    query = exp.select("*").from_(steps[-1][0])
    for name, step in steps:
        query = query.with_(name, as_=step)
    return query


def _safe_for_jinja(node: exp.Expr) -> exp.Expr:
    """Wrap each brace that would open a tag: only names and texts of the user's can hold one."""
    if isinstance(node, exp.Identifier) or (isinstance(node, exp.Literal) and node.is_string):
        node.set("this", re.sub(r"\{(?=[{%#])", "{% raw %}{{% endraw %}", node.this))
    return node


def _with_folder(node: exp.Expr, folder: str) -> exp.Expr:
    if isinstance(node, exp.Literal) and node.is_string:
        node.set("this", node.this.replace(FOLDER, folder))
    return node


def lower_keywords(sql: str) -> str:
    """SQL in lower case, but for what stands in quotes."""
    parts, end = [], 0
    for token in sqlglot.tokenize(sql, read="duckdb"):
        if token.token_type in AS_WRITTEN:
            parts.append(sql[end : token.start].lower())
            parts.append(sql[token.start : token.end + 1])
            end = token.end + 1
    return "".join([*parts, sql[end:].lower()])
