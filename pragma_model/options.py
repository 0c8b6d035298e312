"""Options of the command line from fields of dataclasses: name, type, default and help."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, field, fields
from functools import wraps
from typing import Annotated, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import typer

T = TypeVar("T")


def option(default: T, help: str, *flags: str, shown: str | None = None) -> T:  # noqa: A002
    """A field of a dataclass that is also an option of the command line.

    Args:
        default: default of the field.
        help: one sentence.
        flags: names of the option, the present one first; by default from the field's name.
        shown: the default in words, if it is not the field's.
    """
    metadata = {"help": help, "flags": flags, "shown": shown}
    return field(default=default, metadata=metadata)


def with_options(
    kinds: Mapping[str, type],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that are fields of dataclasses.

    Args:
        kinds: parameter of the command -> dataclass. The parameter gets a dictionary, field name ->
            value, of what the command line gives; defaults are left to the dataclass.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command)
        hints = get_type_hints(command, include_extras=True)
        names_of = {bag: [each.name for each in _options(kind)] for bag, kind in kinds.items()}

        @wraps(command)
        def run(**values: object) -> None:
            context = cast(typer.Context, values["context"])
            for bag, names in names_of.items():
                asked = {name: values.pop(name) for name in names}
                values[bag] = {n: v for n, v in asked.items() if _was_given(context, n)}
            command(**values)

        parameters = [p for name, p in own.parameters.items() if name not in kinds]
        parameters = [p.replace(annotation=hints[p.name]) for p in parameters]
        made = [parameter for kind in kinds.values() for parameter in _parameters(kind)]
        run.__signature__ = inspect.Signature([*parameters, *made])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in [*parameters, *made]}
        del run.__wrapped__  # typer would read its signature
        return run

    return decorate


def flag_of(kind: type, name: str) -> str:
    """The option of a dataclass field, as it is typed."""
    (named,) = [each for each in fields(kind) if each.name == name]
    flags = named.metadata.get("flags") or (f"--{name.replace('_', '-')}",)
    return str(flags[0]).partition("/")[0]


def _options(kind: type) -> Iterator[Field[object]]:
    yield from (each for each in fields(kind) if "help" in each.metadata)


def _parameters(kind: type) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(kind)
    for each in _options(kind):
        made = typer.Option(
            *each.metadata["flags"],
            help=each.metadata["help"],
            show_default=each.metadata["shown"] or True,
        )
        annotation: object = Annotated[_plain(hints[each.name]), made]
        yield inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=each.default,
            annotation=annotation,
        )


def _plain(kind: object) -> object:
    """The type that typer parses: a choice of words is text, which the dataclass checks."""
    if get_origin(kind) is Literal:
        return str
    if get_origin(kind) in (Union, types.UnionType):
        parts = [part for part in get_args(kind) if part is not type(None)]
        return Union[_plain(parts[0]), None]  # noqa: UP007 - of a value, not a type
    return kind


def _was_given(context: typer.Context, name: str) -> bool:
    return getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
