"""The users that both programs learn from and are asked about, and pragmatiq's datasets of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pragma_sql.formats.shards import SPLITS, open_shards

TASKS = ("default_12m", "churn_6m", "ltv_positive")
CHOSEN = "asked.parquet"
"""Who is asked about what, and when."""


@dataclass(frozen=True)
class Question:
    """Users asked about one task."""

    task: str
    keys: list[str]  # `user@day`
    labels: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]  # how many users of the dataset one stands for


def write_datasets(home: Path, contract: Path, folder: Path, half: int) -> None:
    """Choose the users, and write their events and profiles in the contract's format.

    `learn/` holds the training users before the fit's end, `asked/` the others before each moment,
    as users of their own named `user@day`.

    Args:
        home: a warehouse of the contract.
        contract: the folder that it was built from.
        folder: gets both datasets, and `CHOSEN`.
        half: users of either label at most, of each task.
    """
    with duckdb.connect(str(home / "pragma.duckdb"), read_only=True) as con:
        con.register("splits", _splits(home / "shards"))
        con.execute(CHOOSE, {"half": half, "tasks": list(TASKS)})
        for name, users in (("learn", LEARNERS), ("asked", ASKED)):
            (folder / name).mkdir()
            con.execute("create or replace temp table wanted as " + users)
            for what, query in (("events", EVENTS), ("profiles", PROFILES)):
                file = f"{what}.parquet"
                rows = con.execute(query, {"source": str(contract / file)}).to_arrow_reader()
                with pq.ParquetWriter(folder / name / file, rows.schema) as writer:
                    for batch in rows:
                        writer.write_batch(batch)
        con.table("chosen").write_parquet(str(folder / CHOSEN))


def _splits(shards: Path) -> pa.Table:
    """The split of each user who has an event before the fit's end."""
    opened = open_shards(shards)
    tables = [
        pa.table({"user_id": opened.open(file)["user_id"], "split": [file.split] * file.users})
        for split in SPLITS
        for file in opened.files(split)
    ]
    return pa.concat_tables(tables)


def questions(chosen: Path) -> Iterator[Question]:
    """Read `CHOSEN`, task by task."""
    rows = pq.read_table(chosen).to_pylist()
    for task in TASKS:
        asked = [row for row in rows if row["task"] == task]
        yield Question(
            task,
            [f"{row['user_id']}@{row['eval_ts']:%Y-%m-%d}" for row in asked],
            np.array([row["label"] for row in asked], np.int64),
            np.array([row["weight"] for row in asked], np.float64),
        )


CHOOSE = """
create temp table chosen as
with

known as (
    select
        labels.task,
        labels.user_id,
        labels.eval_ts,
        labels.label,
        row_number() over (partition by task, label order by md5(labels.user_id)) as place,
        count(*) over (partition by task, label) as alike
    from contract.labels as labels
    inner join splits on labels.user_id = splits.user_id
    where list_contains($tasks, labels.task) and splits.split = 'test'
),

taken as (
    select *, count(*) over (partition by task, label) as kept from known where place <= $half
)

select task, user_id, eval_ts, label, alike / kept as weight from taken order by all
"""

LEARNERS = """
select user_id as name, user_id, fit_until::timestamp as moment
from splits, fit.tokenizer
where split = 'train'
"""

ASKED = """
select distinct user_id || '@' || strftime(eval_ts, '%Y-%m-%d') as name, user_id, eval_ts as moment
from chosen
"""

EVENTS = """
select wanted.name as user_id, source.ts, source.source, source.fields
from read_parquet($source) as source inner join wanted on source.user_id = wanted.user_id
where source.ts < wanted.moment
order by wanted.name, source.ts
"""

PROFILES = """
select
    wanted.name as user_id,
    wanted.moment as as_of,
    case
        when source.as_of <= wanted.moment then source.attributes
        else map {}::map(varchar, varchar)
    end as attributes,
    list_filter(source.lifelong, lambda milestone: milestone.ts < wanted.moment) as lifelong
from read_parquet($source) as source inner join wanted on source.user_id = wanted.user_id
order by wanted.name
"""
