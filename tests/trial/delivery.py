"""What the bank delivers: csv files, changed between the steps of a trial."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
from real_datasets import Dataset

MAPPING = """\
events:
    event:
        files: ../delivery/events/*.csv
        user: customer
        time: booked
{id}        fields: [{fields}]
profiles:
    files: ../delivery/profiles.csv
    user: customer
    as_of: as_of
    attributes: [{attributes}]
labels:
    outcome:
        files: ../delivery/labels.csv
        user: customer
        moment: asked
        label: label
"""


class Delivery:
    """The files below a folder, written from a small database that only the trial knows.

    `delivered` holds the rows of events with the file that each stands in; `held` those that come
    late.
    """

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self.dataset, self.folder = dataset, folder
        (folder / "events").mkdir(parents=True)
        self.con = duckdb.connect(str(folder.parent / "bank.duckdb"))
        self.con.execute("set TimeZone = 'UTC'")
        self._load()
        self.has_ids = "id" in self._columns("events")
        self.fields = [
            name for name in self._columns("events") if name not in ("id", "customer", "booked")
        ]
        self.attributes = [
            name for name in self._columns("profiles") if name not in ("customer", "as_of")
        ]
        self.con.execute("create table delivered as select 'first.csv' as file, * from events")
        self._hold_back()

    def _hold_back(self) -> None:
        """A hundredth of the old events is delivered late."""
        late = "hash(customer, booked, rowid) % 97 = 0 and booked < $until"
        until = {"until": self.dataset.fit_until}
        self.con.execute(
            f"create table held as select * exclude (file) from delivered where {late}", until
        )
        self.con.execute(f"delete from delivered where {late}", until)

    def _load(self) -> None:
        here = Path.cwd()
        os.chdir(self.dataset.folder)
        try:
            for name in ("events", "profiles", "labels"):
                self.con.execute(f"create table {name} as {getattr(self.dataset, name)}")
        finally:
            os.chdir(here)

    def _columns(self, table: str) -> list[str]:
        return [row[0] for row in self.con.execute(f"describe {table}").fetchall()]

    def mapping(self, *, whole: bool) -> str:
        """The text of mapping.yml, with or without the field that is added later."""
        fields = [name for name in self.fields if whole or name != self.dataset.added]
        return MAPPING.format(
            id="        id: id\n" if self.has_ids else "",
            fields=", ".join(fields),
            attributes=", ".join(self.attributes),
        )

    def write(self) -> None:
        """Write the files again; one whose content is the same is not touched."""
        files = [f for (f,) in self.con.execute("select distinct file from delivered").fetchall()]
        for gone in {path.name for path in (self.folder / "events").iterdir()} - set(files):
            (self.folder / "events" / gone).unlink()
        for file in files:
            query = f"select * exclude (file) from delivered where file = '{file}' order by all"
            self._write(query, self.folder / "events" / file)
        self._write("from profiles order by all", self.folder / "profiles.csv")
        self._write("from labels order by all", self.folder / "labels.csv")

    def _write(self, query: str, path: Path) -> None:
        draft = path.with_suffix(".draft")
        self.con.sql(query).write_csv(str(draft), header=True)
        if path.exists() and path.read_bytes() == draft.read_bytes():
            draft.unlink()
        else:
            draft.replace(path)

    # What happens to the delivery between two builds.

    def correct(self, rows: int = 10) -> list[str]:
        """Correct the figure of so many events; returns their users."""
        number = f'"{self.dataset.number}"'
        chosen = f"select rowid from delivered where {number} > 0 order by hash(rowid) limit {rows}"
        users = self.con.execute(
            f"select distinct customer::varchar from delivered where rowid in ({chosen})"
        ).fetchall()
        self.con.execute(
            f"update delivered set {number} = {number} * 7 + 1 where rowid in ({chosen})"
        )
        return [user for (user,) in users]

    def deliver_again(self, rows: int = 25) -> int:
        """Put copies of some events into another file; returns how many events that adds."""
        self.con.execute(
            "insert into delivered by name select * replace ('again.csv' as file) from delivered"
            f" order by hash(rowid) limit {rows}"
        )
        return 0 if self.has_ids else rows

    def erase_user(self) -> str:
        """Take a user with many events out of every file."""
        ((user,),) = self.con.execute(
            "select customer::varchar from delivered group by all order by count(*) desc limit 1"
        ).fetchall()
        for table in ("delivered", "held", "profiles", "labels"):
            self.con.execute(f"delete from {table} where customer::varchar = $user", {"user": user})
        return user

    def erase_day(self) -> str:
        """Take the busiest day out of the files; returns it."""
        ((day,),) = self.con.execute(
            "select booked::date::varchar from delivered where booked < $until::timestamp"
            " group by all order by count(*) desc limit 1",
            {"until": self.dataset.fit_until},
        ).fetchall()
        self.con.execute("delete from delivered where booked::date = $day::date", {"day": day})
        # A label of a user without events would stop the build.
        self.con.execute(
            "delete from labels where customer not in (select customer from delivered)"
        )
        return day

    def deliver_late(self) -> int:
        """Put what was held back into a file of its own; returns how many events."""
        self.con.execute("insert into delivered by name select 'late.csv' as file, * from held")
        ((held,),) = self.con.execute("select count(*) from held").fetchall()
        return int(held)
