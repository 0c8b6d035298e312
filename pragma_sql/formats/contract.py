"""The contract: the four relations that every dataset is brought to first.

They are relations of the schema `contract`, or parquet files of the same names in a folder. Moments
are UTC, in microseconds. All other code takes names and types from here; a test compares dbt's
models with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

_TEXT, _MOMENT, _NUMBER = pa.string(), pa.timestamp("us"), pa.float64()
_FIELDS = pa.map_(pa.string(), pa.string())
_MILESTONES = pa.list_(pa.struct({"key": _TEXT, "ts": _MOMENT}))

SQL_TYPES: Mapping[pa.DataType, str] = {
    _TEXT: "VARCHAR",
    _MOMENT: "TIMESTAMP",
    _NUMBER: "DOUBLE",
    _FIELDS: "MAP(VARCHAR, VARCHAR)",
    _MILESTONES: "STRUCT(key VARCHAR, ts TIMESTAMP)[]",
}
"""DuckDB's names of the contract's types."""


@dataclass(frozen=True)
class Relation:
    """One relation of the contract."""

    name: str
    schema: pa.Schema
    """All of its columns, in order."""
    may_lack: tuple[str, ...] = ()
    """Columns that a file may lack; a missing one is null."""
    is_optional: bool = False
    """Whether a dataset may lack the relation; a missing one is empty."""

    @property
    def required(self) -> Mapping[str, str]:
        """Columns that a file must have -> SQL types."""
        return {name: kind for name, kind in self.columns.items() if name not in self.may_lack}

    @property
    def optional(self) -> Mapping[str, str]:
        """Columns that a file may lack -> SQL types."""
        return {name: self.columns[name] for name in self.may_lack}

    @property
    def columns(self) -> Mapping[str, str]:
        """All columns -> SQL types.

        >>> TRANSFERS.columns["amount"]
        'DOUBLE'
        """
        return {field.name: SQL_TYPES[field.type] for field in self.schema}


EVENTS = Relation(
    "events",
    pa.schema(
        {
            "user_id": _TEXT,
            "ts": _MOMENT,
            "source": _TEXT,
            "fields": _FIELDS,
            "event_id": _TEXT,
        }
    ),
    may_lack=("event_id",),
)
PROFILES = Relation(
    "profiles",
    pa.schema({"user_id": _TEXT, "as_of": _MOMENT, "attributes": _FIELDS, "lifelong": _MILESTONES}),
    may_lack=("lifelong",),
)
TRANSFERS = Relation(
    "transfers",
    pa.schema({"from_user": _TEXT, "to_user": _TEXT, "ts": _MOMENT, "amount": _NUMBER}),
    is_optional=True,
)
LABELS = Relation(
    "labels",
    pa.schema(
        {
            "task": _TEXT,
            "user_id": _TEXT,
            "eval_ts": _MOMENT,
            "label": _NUMBER,
            "split": _TEXT,
        }
    ),
    may_lack=("split",),
    is_optional=True,
)
"""Files `labels/<task>.parquet` and `labels/<task>/*.parquet` lack the column `task`."""

RELATIONS = (EVENTS, PROFILES, TRANSFERS, LABELS)

LABEL_MOMENTS = ("eval_ts", "observed_through")
"""Columns of a label file that may hold its moment; the first one present counts."""
