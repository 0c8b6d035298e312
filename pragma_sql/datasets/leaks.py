"""Fields that may leak the future: columns of a label, and moments later than the row's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from sqlglot import exp

from pragma_sql.datasets.columns import fields, look, scalar
from pragma_sql.datasets.from_clause import column, fill_template
from pragma_sql.datasets.mapping import DatasetMapping, Events, Picked, Rows, Time
from pragma_sql.datasets.timestamps import moment
from pragma_sql.datasets.user_tables import Found, UserTables

ANSWERS = re.compile(
    r"(is_?)?(fraud|fraudulent|churn|churned|defaulted|laundering)(_?flag)?|label|target|outcome"
    r"|default[ ._]payment[ ._]next[ ._]month",
    re.I,
)
"""Names that columns of labels often have."""

MOMENT_SHARE, LATER_SHARE = 0.95, 0.01
"""A column is suspicious if at least the first share of its values are moments, and more than the
second share of these are later than the row."""

PARSED = """
coalesce(
    try_cast($text as timestamp), try_strptime($text, '%d.%m.%Y'), try_strptime($text, '%Y/%m/%d')
)
"""


def answers_in(mapping: DatasetMapping, rows: Rows, found: Found) -> dict[str, str]:
    """Columns of these rows that a label is read from -> the label's task."""
    asked: dict[str, str] = {}
    for labels in mapping.labels:
        if (labels.rows.files, labels.rows.table, labels.rows.sql) == (
            *(rows.files, rows.table, rows.sql),
        ):
            for each in scalar(found, "label", labels.label).find_all(exp.Column):
                asked.setdefault(each.parts[0].name, labels.task)
    return asked


def later_columns(
    tables: UserTables, found: Found, at: exp.Expr, names: Sequence[str]
) -> dict[str, str]:
    """The columns that hold moments of later days than `at` -> an example.

    Only the first rows are tried; a column that is later only now and then, as by a wrong clock,
    does not count.
    """
    texts = [name for name in names if re.match(r"TIMESTAMP|DATE|VARCHAR", found.columns[name])]
    if not texts:
        return {}
    asked: dict[str, exp.Expr] = {"at": at}
    counts = []
    for number, name in enumerate(texts):
        text = exp.cast(column(name), "varchar")
        dated = not found.columns[name].startswith("VARCHAR")
        asked[f"v{number}"] = text
        asked[f"m{number}"] = (
            exp.cast(column(name), "timestamp") if dated else fill_template(PARSED, text=text)
        )
        later = f"filter (m{number}::date > at::date)"
        counts.append(
            f"count(v{number}), count(m{number}), count(*) {later}, min(v{number}) {later}"
        )
    row = tables.sample(found, f"select {', '.join(counts)} from sample", **asked)  # noqa: S608
    found_later = {}
    for number, name in enumerate(texts):
        values, moments, later_ones, example = row[4 * number : 4 * number + 4]
        assert isinstance(values, int)
        assert isinstance(moments, int)
        assert isinstance(later_ones, int)
        if moments >= MOMENT_SHARE * values and later_ones > LATER_SHARE * moments:
            found_later[name] = f"{later_ones:,} of {moments:,}, such as {example}"
    return found_later


def left_out(
    found: Found, place: str, tables: UserTables | None = None, at: exp.Expr | None = None
) -> dict[str, str]:
    """Columns that a first mapping leaves out -> the reason as a sentence."""
    told = {
        name: f"{place}: {name} is called as an answer is, so it is no field; it may be a label"
        for name in found.columns
        if ANSWERS.fullmatch(name)
    }
    if tables is not None and at is not None:
        names = [name for name in found.columns if name not in told]
        for name, example in later_columns(tables, found, at, names).items():
            told[name] = f"{place}: {name} lies after the row's time ({example}), so it is no field"
    return told


def leaks(mapping: DatasetMapping, tables: UserTables) -> Iterator[str]:
    """A sentence for each field that may leak the future, or that was left out for that."""
    for events in mapping.events:
        yield from _of_events(mapping, events, tables)
    profiles = mapping.profiles
    if profiles.rows:
        found = look(tables, profiles.rows)
        answers = answers_in(mapping, profiles.rows, found)
        times = [profiles.as_of, *(milestone.time for milestone in profiles.lifelong)]
        taken = [profiles.user, *(time.value for time in times if isinstance(time, Time))]
        columns = _columns(found, profiles.attributes, "attributes", taken)
        yield from _of_answers("profiles", "attributes", profiles.attributes, columns, answers)
        if isinstance(profiles.as_of, Time):
            at = moment(tables, found, "as_of", profiles.as_of, mapping.zone)
            yield from _of_moments("profiles", "as_of", tables, found, at, columns)


def _of_events(mapping: DatasetMapping, events: Events, tables: UserTables) -> Iterator[str]:
    found = look(tables, events.rows)
    columns = _columns(found, events.fields, "fields", [events.user, events.id, events.time.value])
    place = events.rows.place
    answers = answers_in(mapping, events.rows, found)
    yield from _of_answers(place, "fields", events.fields, columns, answers)
    at = moment(tables, found, "time", events.time, mapping.zone)
    yield from _of_moments(place, "time", tables, found, at, columns)


def _of_answers(
    place: str, key: str, picked: Picked, columns: Sequence[str], answers: Mapping[str, str]
) -> Iterator[str]:
    for name in columns:
        if name in answers and picked.listed is None:
            yield (
                f"{place}: {name} is the answer of labels.{answers[name]}, so it is left out of "
                f"the {key}; list it there if it is known at the moment that is asked about"
            )
        elif name in answers:
            yield (
                f"warning: {place}.{key}: {name} is the answer of labels.{answers[name]}: a model "
                "that reads it has nothing to guess; leave it out, unless it is known at the "
                "moment that is asked about"
            )


def _of_moments(
    place: str, key: str, tables: UserTables, found: Found, at: exp.Expr, columns: Sequence[str]
) -> Iterator[str]:
    for name, example in later_columns(tables, found, at, columns).items():
        yield (
            f"warning: {place}: {name} lies after `{key}` ({example}), so it tells what was not "
            f"known then; leave it out, or take it for `{key}` if all was known only then"
        )


def _columns(found: Found, picked: Picked, key: str, taken: Sequence[object]) -> list[str]:
    """The columns that become fields unchanged; columns in `taken` have another role."""
    chosen = fields(found, picked, {str(name).lower() for name in taken}, key).values()
    return [each.name for each in chosen if isinstance(each, exp.Column)]
