"""A user's own csv and mapping.yml, edited: tokens are of the present content, one an event."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from own_tables import staged, write_table

from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.datasets.init import init
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build

Row = tuple[object, ...]

# Without an id, and with some rows that are equal.
PURCHASES = """
    select 'user ' || (i % 20) as client_id, date '2024-01-01' + (i % 300)::integer as day,
        {amount} as amount, 'shop ' || (i % 7) as shop, ['web', 'till'][1 + i % 2] as channel
    from range({first}, 400) as t(j), lateral (select j // 2 * 2 as i)
"""
AMOUNT = "printf('%.2f', i * 1.37 % 200)"
MAPPING = """
events:
    purchases:
        files: ../purchases.csv
        user: client_id
        time: day
        fields: {fields}
"""
FIELDS, ANOTHER = "[amount, shop]", "[amount, shop, channel]"


class Shop:
    """The project, its one table, and the builds of it."""

    def __init__(self, folder: Path) -> None:
        self.table, self.project = folder / "purchases.csv", folder / "shop"
        self.home = Home.of(project=self.project)

    def deliver(self, amount: str = AMOUNT, first: int = 0) -> None:
        """Write the table again."""
        write_table(self.table, PURCHASES.format(amount=amount, first=first))

    def map(self, fields: str) -> None:
        """Write mapping.yml, and make its models."""
        self.project.mkdir(exist_ok=True)
        (self.project / "mapping.yml").write_text(MAPPING.format(fields=fields))
        init(self.project)

    def built(self) -> list[Row]:
        """The tokens after a build, which are as many as there are events."""
        variables = dataset_vars(None, ["fit_until=2024-08-01"], self.project)
        build(self.home, variables, project=self.project, select=["+event_tokens"])
        with duckdb.connect(str(self.home.warehouse), read_only=True) as con:
            tokens = con.execute(
                "select user_id, ts, key_ids, value_ids from tokens.event_tokens order by all"
            ).fetchall()
            ((events,),) = con.execute("select count(*) from contract.events").fetchall()
        assert len(tokens) == events
        return tokens


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.delenv("PRAGMA_HOME", raising=False)
    shop = Shop(tmp_path)
    shop.deliver()
    shop.map(FIELDS)
    return shop


@pytest.mark.slow
def test_what_is_edited_and_undone_leaves_nothing_behind(shop: Shop) -> None:
    first = shop.built()
    assert len(first) == 400, "equal rows are real"

    shop.deliver(f"case when i in (40, 80) then '150.00' else {AMOUNT} end")
    corrected = shop.built()
    assert len(set(map(str, corrected)) ^ set(map(str, first))) > 0

    shop.deliver()
    assert shop.built() == first

    shop.deliver(first=100)
    assert len(shop.built()) == 300


@pytest.mark.slow
def test_what_is_mapped_and_unmapped_leaves_nothing_behind(shop: Shop) -> None:
    first = shop.built()
    shop.map(ANOTHER)
    assert shop.built() == first, "the fit does not know the field"
    shop.map(FIELDS)
    assert shop.built() == first

    shop.deliver("printf('%.4f', i * 1.37 % 200)")
    assert len(shop.built()) == 400
    shop.deliver()
    assert shop.built() == first


def test_of_profiles_of_one_moment_the_latest_by_a_named_column_counts(tmp_path: Path) -> None:
    write_table(tmp_path / "purchases.csv", PURCHASES.format(amount=AMOUNT, first=0))
    write_table(
        tmp_path / "clients.csv",
        "select * from (values ('user 1', '2024-01-01', 9, 'old'),"
        " ('user 1', '2024-01-01', 10, 'new'),"
        " ('user 1', '2024-02-01', 1, 'later'), (null, '2024-01-01', 1, 'nobody'))"
        " as t(id, since, version, plan)",
    )
    mapping = """
events:
    purchases: {files: purchases.csv, user: client_id, time: day}
profiles: {files: clients.csv, user: id, as_of: since, latest: version::integer}
"""
    profiles = staged(tmp_path, mapping).profiles
    plans = [(user, dict(attributes)["plan"]) for user, _, attributes, _ in profiles]  # type: ignore[call-overload]
    assert set(plans) == {("user 1", "later"), ("user 1", "new"), (None, "nobody")}
    assert len(plans) == 3
