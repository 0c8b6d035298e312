"""The words of `--select`, as in dbt, and the seeds that the selected models need."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pragma_sql.formats.errors import PragmaError


def selectors(options: Sequence[str], more: Sequence[str]) -> list[str]:
    """All words after `--select`; the command line attaches only the first to the option.

    >>> selectors(["contract", "+tokens"], ["fit models+"])
    ['contract', '+tokens', 'fit', 'models+']

    Raises:
        PragmaError: there are words, but no `--select`.
    """
    if more and not options:
        raise PragmaError(
            f"build: what is meant by {' '.join(more)}?",
            f"pragma build --select {' '.join(more)}, or --project or --contract for a folder",
        )
    return " ".join([*options, *more]).split()


WITH = {
    "contract": ("checks", "changed_partitions", "new_events"),
    "event_tokens": ("new_tokens", "changed_histories", "_histories", "_ingested"),
    "user_embeddings": ("_embedding_state", "stale_embeddings"),
}
"""Models that a selection of another brings along: they find what is due, or remember what was made."""


def with_seeds(selected: Sequence[str], *, alone: bool = False) -> list[str]:
    """A selection with the seeds upstream, which its models read, and, unless `alone`, `WITH`.

    >>> with_seeds(["fit", "2+models+", "tokens,tag:a"])[3:]
    ['+fit,resource_type:seed', '+models+,resource_type:seed', '+tokens,+tag:a,resource_type:seed']
    >>> with_seeds(["vectors.user_embeddings+"])[2:]
    ['_embedding_state', 'stale_embeddings']
    """
    seeds = [f"{_upstream(each)},resource_type:seed" for each in selected]
    names = set() if alone else {each.strip("0123456789+").rpartition(".")[2] for each in selected}
    return [*selected, *seeds, *(more for name in WITH if name in names for more in WITH[name])]


def unmatched(selector: str) -> str:
    """The message for a selector that matches nothing; empty for one that `with_seeds` added."""
    if selector.endswith(",resource_type:seed"):
        return ""
    return f"warning: --select {selector}: there is nothing of that name"


def check_matched(selected: Sequence[str], results: Sequence[object]) -> None:
    """Raise if a selection matches no model."""
    if selected and not results:
        raise PragmaError(
            f"--select {' '.join(selected)}: there is nothing to build of that name",
            "name models, folders (contract, checks, fit, tokens, vectors, views) or tags; see `dbt ls`",
        )


def lacking(message: str, selected: Sequence[str]) -> PragmaError | None:
    """The error for a relation that is missing because the selection leaves it out, else None."""
    found = re.search(
        r'in model (?P<model>\w+).*Table with name "?(?P<table>[\w.]+)"? does not exist',
        message,
        re.S,
    )
    if not (found and selected):
        return None
    table = found["table"].rpartition(".")[2]
    return PragmaError(
        f"{found['model']} reads {table}, which this warehouse does not have yet",
        f"pragma build --select {' '.join(_upstream(each) for each in selected)}, or all of it",
    )


def _upstream(selector: str) -> str:
    """A selector whose parts include all that is upstream; `@` does so already."""
    parts = (re.sub(r"^\d*\+", "", part) for part in selector.split(","))
    return ",".join(part if part.startswith("@") else f"+{part}" for part in parts)
