"""mapping.yml: what each key makes of a user's tables, and what is said of a wrong one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import pytest
import yaml
from own_tables import staged, write_table

from pragma_sql.datasets.mapping_file import parse_mapping
from pragma_sql.formats.errors import PragmaError

CARDS = """
    select * from (values
        ('u1', timestamp '2024-01-05 10:00', 5.0, 'shop', 1),
        ('u2', timestamp '2024-01-06 11:00', -7.5, null, 2)
    ) as t(client, booked, amount, merchant, n)
"""
EVENTS = "events: {cards: {files: cards.parquet, user: client, time: booked}}\n"


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    write_table(tmp_path / "cards.parquet", CARDS)
    return tmp_path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(PragmaError) as caught:
        staged(folder, text)
    assert "\n" not in caught.value.what
    assert caught.value.next_step
    return str(caught.value)


def test_one_line_maps_a_table_and_every_other_column_is_a_field(bank: Path) -> None:
    assert [row[:3] for row in staged(bank, EVENTS).events] == [
        ("u1", datetime(2024, 1, 5, 10), "cards"),
        ("u2", datetime(2024, 1, 6, 11), "cards"),
    ]
    assert staged(bank, EVENTS).fields() == [
        {"amount": "5.0", "merchant": "shop", "n": "1"},
        {"amount": "-7.5", "n": "2"},
    ]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("fields: [amount]", {"amount": "5.0"}),
        ("fields: [n, {shop: upper(merchant)}]", {"n": "1", "shop": "SHOP"}),
        ("fields: {euros: amount}", {"euros": "5.0"}),
        ("fields: []", {}),
        ("except: [n, Merchant]", {"amount": "5.0"}),
        ("rename: {n: number}", {"amount": "5.0", "merchant": "shop", "number": "1"}),
        ("id: n", {"amount": "5.0", "merchant": "shop"}),
    ],
)
def test_fields_are_listed_left_out_renamed_or_made_of_sql(
    more: str, expected: dict[str, str], bank: Path
) -> None:
    text = f"events: {{cards: {{files: cards.parquet, user: client, time: booked, {more}}}}}"
    assert staged(bank, text).fields()[0] == expected


ODD_NAMES = (
    'say "cheese"',
    "two\nlines",
    "   indented\n   twice",
    "select",
    "it's",
    "{{ 1 + 1 }}",
    "{% raw %}",
    "{# note #}",
    "{{{",
    "a; drop table bank_events",
    "-- no comment",
    "ünïcode",
    "ts",
    "user_id",
    "fields",
)


def test_any_name_of_a_column_is_only_a_name(tmp_path: Path) -> None:
    quoted = ", ".join(
        f"""'{n}' as "{name.replace('"', '""')}\"""" for n, name in enumerate(ODD_NAMES)
    )
    write_table(tmp_path / "odd.parquet", f"select 7 as who, date '2024-01-05' as day, {quoted}")
    text = yaml.safe_dump(
        {"events": {"o'{{ x }}\"\n-- dd": {"files": "odd.parquet", "user": "who", "time": "day"}}}
    )
    ((user, ts, source, fields, _),) = staged(tmp_path, text).events
    assert (user, ts, source) == ("7", datetime(2024, 1, 5), "o'{{ x }}\"\n-- dd")
    assert fields == {name: str(n) for n, name in enumerate(ODD_NAMES)}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_column_of_any_name_can_be_the_user(name: str, tmp_path: Path) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    write_table(tmp_path / "odd.parquet", f"select 'me' as {quoted}, date '2024-01-05' as day")
    text = yaml.safe_dump({"events": {"o": {"files": "odd.parquet", "user": name, "time": "day"}}})
    assert staged(tmp_path, text).events[0][0] == "me"


NOON = datetime(2024, 1, 5, 12)
MOMENTS = {
    "timestamp": ("timestamp '2024-01-05 12:00'", "t", NOON),
    "date": ("date '2024-01-05'", "t", datetime(2024, 1, 5)),
    "with a zone of its own": ("timestamptz '2024-01-05 13:00:00+01'", "t", NOON),
    "seconds": ("1704456000", "{column: t, unit: s}", NOON),
    "fractions of seconds": ("1704456000.5::double", "{column: t, unit: s}",
                             datetime(2024, 1, 5, 12, 0, 0, 500000)),
    "milliseconds": ("1704456000000", "{column: t, unit: ms}", NOON),
    "microseconds": ("1704456000000000", "{column: t, unit: us}", NOON),
    "nanoseconds": ("1704456000000000000", "{column: t, unit: ns}", NOON),
    "ISO text": ("'2024-01-05T12:00'", "t", NOON),
    "ISO text with an offset": ("'2024-01-05T13:00:00+01:00'", "t", NOON),
    "ISO text in UTC": ("'2024-01-05T12:00:00Z'", "t", NOON),
    "text": ("'5.1.2024 12h'", "{column: t, format: '%-d.%-m.%Y %Hh'}", NOON),
    "old dates": ("930101", "{column: t, format: '%y%m%d'}", datetime(1993, 1, 1)),
    "zeros lost": ("10203", "{column: t, format: '%y%m%d'}", datetime(2001, 2, 3)),
    "SQL": ("'2024-02'", "last_day((t || '-01')::date)", datetime(2024, 2, 29)),
}  # fmt: skip


@pytest.mark.parametrize(("value", "time", "expected"), MOMENTS.values(), ids=MOMENTS)
def test_moments_come_in_many_kinds(
    value: str, time: str, expected: datetime, tmp_path: Path
) -> None:
    write_table(tmp_path / "x.parquet", f"select 'u' as who, {value} as t")
    text = f"events: {{x: {{files: x.parquet, user: who, time: {time}}}}}"
    assert staged(tmp_path, text).events[0][1] == expected


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2024-01-05 12:00", datetime(2024, 1, 5, 11)),
        ("2024-07-05 12:00", datetime(2024, 7, 5, 10)),
        ("2024-03-31 01:59", datetime(2024, 3, 31, 0, 59)),
        ("2024-03-31 03:00", datetime(2024, 3, 31, 1)),
        ("2024-10-27 01:59", datetime(2024, 10, 26, 23, 59)),
        # What the clock skips moves on; what it shows twice is the later.
        ("2024-03-31 02:30", datetime(2024, 3, 31, 1, 30)),
        ("2024-10-27 02:30", datetime(2024, 10, 27, 1, 30)),
    ],
)
@pytest.mark.parametrize("where", ["of the table", "of the mapping"])
def test_local_times_become_utc_with_daylight_saving(
    where: str, local: str, utc: datetime, tmp_path: Path
) -> None:
    write_table(tmp_path / "x.parquet", f"select 'u' as who, timestamp '{local}' as t")
    time = "{column: t, zone: Europe/Prague}" if where == "of the table" else "t"
    zone = "zone: Europe/Prague\n" if where == "of the mapping" else ""
    text = f"{zone}events: {{x: {{files: x.parquet, user: who, time: {time}}}}}"
    assert staged(tmp_path, text).events[0][1] == utc


def test_the_zone_of_the_mapping_leaves_instants_alone(tmp_path: Path) -> None:
    write_table(tmp_path / "x.parquet", "select 'u' as who, 1704456000 as t")
    write_table(
        tmp_path / "y.parquet", "select 'u' as who, timestamptz '2024-01-05 12:00:00Z' as t"
    )
    text = """
        zone: Europe/Prague
        events:
            x: {files: x.parquet, user: who, time: {column: t, unit: s}}
            y: {files: y.parquet, user: who, time: t}
    """
    assert [row[1] for row in staged(tmp_path, text).events] == [NOON, NOON]


def test_equal_events_are_told_apart_the_same_way_whatever_their_order(tmp_path: Path) -> None:
    rows = "select 'u' as who, date '2024-01-05' as day, unnest([5, 5, 6, null, 5]) as amount"
    text = "events: {x: {files: x.parquet, user: who, time: day}}"
    write_table(tmp_path / "a" / "x.parquet", rows)
    write_table(tmp_path / "b" / "x.parquet", f"from ({rows}) order by amount desc")
    first, second = staged(tmp_path / "a", text).events, staged(tmp_path / "b", text).events
    assert first == second
    assert len({row[4] for row in first}) == len(first) == 5


def test_a_declared_id_is_kept_so_that_a_second_delivery_shows(bank: Path) -> None:
    text = EVENTS.replace("cards.parquet", "[cards.parquet, cards.parquet], id: n")
    assert [row[4] for row in staged(bank, text).events] == ["1", "1", "2", "2"]


def test_rows_that_two_exports_share_are_one_on_request(bank: Path) -> None:
    text = EVENTS.replace("cards.parquet", "[cards.parquet, cards.parquet], distinct: true")
    assert staged(bank, text).events == staged(bank, EVENTS).events


def test_only_the_rows_asked_for_are_read(bank: Path) -> None:
    text = EVENTS.replace("cards.parquet", "cards.parquet, where: amount < 0")
    assert [row[0] for row in staged(bank, text).events] == ["u2"]


def test_events_of_several_tables_are_one_stream(bank: Path) -> None:
    write_table(bank / "app.csv", "select 'u1' as who, '2024-01-07' as day, '0042' as screen")
    text = """
        events:
            cards: {files: cards.parquet, user: client, time: booked, id: n}
            Cards: {files: "*.csv", user: who, time: day}
    """
    events = staged(bank, text).events
    assert [(row[0], row[2]) for row in events] == [
        ("u1", "cards"), ("u1", "Cards"), ("u2", "cards"),
    ]  # fmt: skip
    assert events[1][3] == {"screen": "0042"}


def test_files_with_other_columns_are_read_by_name(bank: Path) -> None:
    write_table(bank / "cards_2.parquet", "select 9 as n, 'u3' as client, now() as later, "
                "timestamp '2024-02-01' as booked")  # fmt: skip
    events = staged(bank, EVENTS.replace("cards.parquet", "'*.parquet'")).events
    assert [row[0] for row in events] == ["u1", "u2", "u3"]


def test_paths_start_at_the_project_wherever_the_command_is_run(
    bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = write_table(bank / "elsewhere" / "cards.parquet", "select 'wrong' as client").parent
    query = """
        events: {cards: {sql: "from 'cards.parquet' where n > 0", user: client, time: booked}}
        profiles: {sql: "from read_parquet(['cards.parquet'])", user: client, as_of: booked}
    """
    monkeypatch.chdir(elsewhere)
    for text in (EVENTS, query):
        assert [row[0] for row in staged(bank, text).events] == ["u1", "u2"]
        assert [row[0] for row in staged(bank, text).profiles] == ["u1", "u2"]


def test_a_table_of_a_duckdb_file_is_read(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "the bank.duckdb")) as con:
        con.execute('create schema "my schema"')
        con.execute(f'create table "my schema".cards as {CARDS}')
    text = """
        databases: {core: the bank.duckdb}
        events: {cards: {table: 'core."my schema".cards', user: client, time: booked}}
    """
    assert [row[0] for row in staged(tmp_path, text).events] == ["u1", "u2"]


def test_a_query_joins_what_lies_in_two_tables(bank: Path) -> None:
    write_table(bank / "owners.parquet", "select 'u1' as card, 'Ann' as owner")
    text = """
        events:
            cards:
                sql: >
                    select owner, booked from 'cards.parquet' as c
                    join 'owners.parquet' as o on o.card = c.client
                user: owner
                time: booked
    """
    assert [row[0] for row in staged(bank, text).events] == ["Ann"]


def profiles(
    bank: Path, more: str, table: str = "select 'u1' as id, 'north' as region"
) -> list[tuple[object, ...]]:
    write_table(bank / "clients.parquet", table)
    text = f"{EVENTS}profiles: {{files: clients.parquet, user: id{more}}}"
    return staged(bank, text).profiles


def test_undated_attributes_hold_after_the_last_event_and_the_last_label(bank: Path) -> None:
    write_table(bank / "clients.parquet", "select 'u1' as id, 'north' as region")
    text = (
        EVENTS
        + """
profiles: {files: clients.parquet, user: id}
labels: {late: {files: clients.parquet, user: id, moment: 2024-03-01, label: 1}}
"""
    )
    made = staged(bank, text)
    ((_, as_of, attributes, _),) = made.profiles
    assert (as_of, attributes) == (datetime(2024, 3, 1, 0, 0, 0, 1), {"region": "north"})
    assert "no label sees them" in made.notes[0]
    ((_, alone, _, _),) = profiles(bank, "")
    assert alone == datetime(2024, 1, 6, 11, 0, 0, 1)


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        ("first_event", datetime(2024, 1, 5, 10)),
        ("since", datetime(2023, 5, 1)),
        ("2023-07-01", datetime(2023, 7, 1)),
    ],
)
def test_attributes_hold_since_when_the_mapping_says(
    as_of: str, expected: datetime, bank: Path
) -> None:
    table = "select 'u1' as id, 'north' as region, date '2023-05-01' as since"
    ((_, found, attributes, lifelong),) = profiles(bank, f", as_of: {as_of}", table)
    assert found == expected
    assert attributes["region"] == "north"  # type: ignore[index]
    assert lifelong == []


def test_attributes_that_never_change_are_kept_for_users_without_events(bank: Path) -> None:
    table = "select unnest(['u1', 'stranger']) as id, 'north' as region"
    found = {str(row[0]): row[1:3] for row in profiles(bank, ", as_of: first_event", table)}
    assert found["u1"] == (datetime(2024, 1, 5, 10), {"region": "north"})
    just_after_all = datetime(2024, 1, 6, 11, 0, 0, 1)
    assert found["stranger"] == (just_after_all, {"region": "north"})


def test_milestones_are_columns_and_first_events(bank: Path) -> None:
    table = "select 'u1' as id, date '2020-02-01' as joined, date '2023-05-01' as since"
    refund = "{first: cards, where: amount < 0}"
    more = f""", as_of: since, lifelong: {{
        joined: joined, first_card: {{first: cards}}, first_refund: {refund}}}"""
    u1, u2 = profiles(bank, more, table)[0], profiles(bank, more, table)[2]
    assert u1[3] == [
        {"key": "joined", "ts": datetime(2020, 2, 1)},
        {"key": "first_card", "ts": datetime(2024, 1, 5, 10)},
    ]
    assert (u2[0], u2[2]) == ("u2", {})
    assert [milestone["key"] for milestone in u2[3]] == ["first_card", "first_refund"]  # type: ignore[index,attr-defined]


def test_milestones_do_not_wait_for_attributes_that_come_late(bank: Path) -> None:
    table = "select 'u1' as id, 'north' as region, date '2024-02-01' as since"
    found = profiles(bank, ", as_of: since, lifelong: {first_card: {first: cards}}", table)
    early, late = [row for row in found if row[0] == "u1"]
    assert (early[1], early[2]) == (datetime(2024, 1, 5, 10), {})
    assert (late[1], late[2]) == (datetime(2024, 2, 1), {"region": "north"})
    assert early[3] == late[3] != []


def test_without_profiles_each_user_has_an_empty_one_from_the_first_event_on(bank: Path) -> None:
    assert staged(bank, EVENTS).profiles == [
        ("u1", datetime(2024, 1, 5, 10), {}, []),
        ("u2", datetime(2024, 1, 6, 11), {}, []),
    ]


def test_labels_have_a_task_a_moment_and_a_condition(bank: Path) -> None:
    write_table(bank / "loans.parquet", "select 'u1' as who, date '2024-02-01' as granted, "
                "'B' as status, 0.5 as \"loss.given.default\"")  # fmt: skip
    text = (
        EVENTS
        + """
labels:
    bad: {files: loans.parquet, user: who, moment: granted, label: "status in ('B', 'D')"}
    loss: {files: loans.parquet, user: who, moment: 2024-03-01, label: loss.given.default}
"""
    )
    assert staged(bank, text).labels == [
        ("bad", "u1", datetime(2024, 2, 1), 1.0),
        ("loss", "u1", datetime(2024, 3, 1), 0.5),
    ]


def test_labels_may_say_their_split(bank: Path) -> None:
    write_table(bank / "loans.parquet", "select unnest(['u1', 'u2']) as who, "
                "unnest(['set-a', 'set-b']) as part")  # fmt: skip
    text = (
        EVENTS
        + """
labels:
    bad:
        {files: loans.parquet, user: who, moment: 2024-03-01, label: 1,
         split: "case part when 'set-b' then 'test' else 'train' end"}
    late: {files: loans.parquet, user: who, moment: 2024-03-01, label: 1}
"""
    )
    assert [(task, user, split) for task, user, *_, split in staged(bank, text).labels] == [
        ("bad", "u1", "train"),
        ("bad", "u2", "test"),
        ("late", "u1", None),
        ("late", "u2", None),
    ]


def test_transfers_are_optional(bank: Path) -> None:
    write_table(bank / "paid.parquet", "select 1 as a, 2 as b, date '2024-02-01' as day, 9 as x")
    text = EVENTS + (
        "transfers: {paid: {files: paid.parquet, from_user: a, to_user: b, time: day, amount: x}}"
    )
    assert staged(bank, text).transfers == [("1", "2", datetime(2024, 2, 1), 9.0)]
    assert staged(bank, EVENTS).transfers == staged(bank, EVENTS).labels == []


WRONG = {
    "column": (EVENTS.replace("client", "clientt"), ("events.cards.user", "clientt", "client?")),
    "column in SQL": (
        EVENTS.replace("cards.parquet", "cards.parquet, where: amonut < 0"),
        ("events.cards.where", "amonut", "did you mean amount?"),
    ),
    "left out": (EVENTS.replace("booked", "booked, except: [mrchant]"), ("except", "merchant?")),
    "key": (EVENTS.replace("user:", "usr:"), ("events.cards.usr", "did you mean user?")),
    "needed key": (
        EVENTS + "labels: {x: {files: a, user: u, moment: m, lable: 1}}", ("lable", "mean label?"),
    ),
    "section": (EVENTS.replace("events", "event"), ("event", "did you mean events?")),
    "repeated key": (EVENTS.replace("user: client", "user: client, user: n"), ("line 1", "'user'")),
    "missing key": (EVENTS.replace("user: client, ", ""), ("events.cards", "user is missing")),
    "file": (EVENTS.replace("cards.parquet", "crads.parquet"), ("events.cards", "cards.parquet?")),
    "kind of file": (EVENTS.replace("cards.parquet", "cards.xls"), ("cards.xls", "csv")),
    "no source": ("zone: UTC", ("events", "no source")),
    "no rows": (EVENTS.replace("files: cards.parquet, ", ""), ("files, table and sql", "none")),
    "database": (
        "databases: {b: no.duckdb}\n" + EVENTS, ("databases.b", "no.duckdb", "no such file"),
    ),
    "table": (EVENTS.replace("files: cards.parquet", "table: a.b"), ("events.cards", "a.b")),
    "integer without a unit": (EVENTS.replace("booked", "n"), ("INTEGER", "unit: s")),
    "text that is no moment": (EVENTS.replace("booked", "merchant"), ("1 of the first 2", "shop")),
    "other format": (
        EVENTS.replace("booked", "{column: merchant, format: '%Y'}"), ("'shop'", "format"),
    ),
    "unit": (EVENTS.replace("booked", "{column: n, unit: m}"), ("m, not one of s, ms, us, ns",)),
    "zone": (EVENTS.replace("booked", "{column: booked, zone: Europe/Prag}"), ("Europe/Prague?",)),
    "zone of an instant": (
        EVENTS.replace("booked", "{column: n, unit: s, zone: Europe/Rome}"), ("leave out `zone`",),
    ),
    "reserved field": (EVENTS.replace("booked", "booked, rename: {n: source}"), ("reserved",)),
    "field twice": (EVENTS.replace("booked", "booked, fields: [n, n]"), ("n is there twice",)),
    "list in a list": (
        EVENTS.replace("booked", "booked, fields: [n, [m]]"), ("fields[1] is [m], not text",),
    ),
    "columns without a table": (
        EVENTS + "profiles: {user: id}", ("profiles.user needs a table", "add `files: ...`"),
    ),
    "list as a key": ("? [a]\n: 1\n" + EVENTS, ("unhashable key", "fix the YAML")),
    "both ways": (EVENTS.replace("booked", "booked, fields: [n], except: [n]"), ("both there",)),
    "comma in SQL": (
        EVENTS.replace("booked", "booked, fields: [n, {shop: coalesce(a, b)}]"),
        ("line 1", "the comma in coalesce(a, b)", 'put it into quotes: "coalesce(a, b)"'),
    ),
    "comma in a list": (
        EVENTS.replace("booked", "booked, fields: [left(merchant, 2), n]"),
        ("line 1", "the comma in left(merchant, 2)", '"left(merchant, 2)"'),
    ),
    "commas in a moment": (
        "zone: UTC\n" + EVENTS.replace("booked", "make_timestamp(1, greatest(n, 2), 3)"),
        ("line 2", "make_timestamp(1, greatest(n, 2), 3)"),
    ),
    "no condition": (EVENTS.replace("cards.parquet", "cards.parquet, where: n"), ("INTEGER",)),
    "query in SQL": (
        EVENTS.replace("cards.parquet", "cards.parquet, where: n in (select 1)"), ("sql: select",),
    ),
    "two statements": (EVENTS.replace("client", "client; drop table x"), ("there is no column",)),
    "milestone": (EVENTS + "profiles: {lifelong: {x: {first: crads}}}", ("crads", "cards")),
    "no yes and no": (EVENTS.replace("client", "no"), ("events.cards.user", "quotes")),
    "not YAML": ("events: [", ("mapping.yml", "YAML")),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_mapping_is_answered_with_its_place_and_the_way_out(
    text: str, words: tuple[str, ...], bank: Path
) -> None:
    said = refusal(bank, text)
    assert said.startswith("mapping.yml")
    for word in words:
        assert word in said


def test_what_the_mapping_means_and_not_its_layout_makes_its_digest() -> None:
    long = "# x\nevents:\n  cards:\n    files: [cards.parquet]\n    user: client\n    time: booked"
    assert parse_mapping(long).digest == parse_mapping(EVENTS).digest
    assert parse_mapping(EVENTS.replace("booked", "b")).digest != parse_mapping(EVENTS).digest


def test_a_mapping_that_says_no_split_has_the_digest_that_it_had_before_there_were_any() -> None:
    labels = "labels: {a: {files: a.parquet, user: u, moment: m, label: 1%s}}"
    text = EVENTS + labels
    assert parse_mapping(text % "").digest == "7c65d193487f"
    assert parse_mapping(text % ", split: part").digest != "7c65d193487f"
