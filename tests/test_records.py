"""Records that are in no warehouse: ids of the build, vectors of `embed`, and clear refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pragma_sql.formats.bundle import open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.histories import Histories
from pragma_sql.formats.paths import DATA, Home
from pragma_sql.serving.online import RecordScorer, RecordTokenizer
from pragma_sql.serving.records import read_record
from pragma_sql.warehouse.build import build
from pragma_sql.warehouse.export_shards import export_shards
from pragma_sql.warehouse.registry import current_bundle
from pragma_udfs.functions import register

EVENT: Mapping[str, object] = {"ts": "2024-05-01", "source": "card", "fields": {"mcc": "5411"}}
RECORDS = """
    with events as (
        select user_id, list({'ts': epoch_us(ts), 'source': source, 'event_id': event_id,
            'fields': fields::json}) as events
        from contract.events group by user_id
    ), profiles as (
        select user_id, list({'as_of': epoch_us(as_of), 'attributes': attributes::json,
            'lifelong': list_transform(lifelong, lambda m: {'key': m.key, 'ts': epoch_us(m.ts)})
        }) as profile
        from contract.profiles group by user_id
    )
    select user_id, {'user_id': user_id, 'events': events, 'profile': profile}::json::varchar
    from events left join profiles using (user_id) order by user_id
"""
"""A record of every user of a warehouse."""


def records_of(warehouse: Path) -> dict[str, str]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        return dict(con.execute(RECORDS).fetchall())


def tokens_of(warehouse: Path) -> Histories:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        rows = con.execute("from tokens.user_tokens order by user_id").to_arrow_table()
    return Histories.from_arrow(rows)


def assert_same_tokens(found: Histories, expected: Histories) -> None:
    for column in fields(Histories):
        if column.name not in ("user_ids", "texts"):
            one, other = getattr(found, column.name), getattr(expected, column.name)
            np.testing.assert_array_equal(one, other, err_msg=column.name)


def record(*events: Mapping[str, object], **more: object) -> str:
    return json.dumps({"events": events, **more})


@pytest.fixture(scope="module")
def tokenizer(toy: Home, tmp_path_factory: pytest.TempPathFactory) -> RecordTokenizer:
    shards = export_shards(toy.warehouse, tmp_path_factory.mktemp("shards") / "shards")
    return RecordTokenizer(shards.path / "tokenizer")


@pytest.fixture(scope="module")
def home(trained: Home) -> Home:
    return trained


@pytest.fixture(scope="module")
def scorer(home: Home) -> RecordScorer:
    return RecordScorer(open_bundle(current_bundle(home.warehouse)))


@pytest.fixture
def con(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        register(con)
        yield con


@pytest.mark.slow
def test_ten_thousand_real_purchases_get_the_ids_of_the_build(tmp_path: Path) -> None:
    raw = tmp_path / "raw.parquet"
    purchases = DATA / "examples" / "purchase_cards" / "transactions.parquet"
    pq.write_table(pq.read_table(purchases).slice(0, 10_500), raw)
    home = Home.of(tmp_path / "home")
    build(home, {"purchase_cards_path": str(raw)}, select=["+user_tokens"])
    expected = tokens_of(home.warehouse)
    assert len(expected.ts) >= 10_000
    tied = np.diff(expected.ts) == 0
    assert tied.sum() > 1_000
    online = RecordTokenizer(export_shards(home.warehouse, home.shards).path / "tokenizer")
    found = online.histories([read_record(text) for text in records_of(home.warehouse).values()])
    assert_same_tokens(found, expected)


def test_texts_in_unicode_and_profiles_get_the_ids_of_the_build(
    toy: Home, tokenizer: RecordTokenizer
) -> None:
    records = records_of(toy.warehouse)
    assert "Café Zoë" in "".join(records.values())
    found = tokenizer.histories([read_record(text) for text in records.values()])
    assert_same_tokens(found, tokens_of(toy.warehouse))


def test_a_record_and_embed_give_the_same_vector(
    home: Home, con: duckdb.DuckDBPyConnection, scorer: RecordScorer
) -> None:
    records = records_of(home.warehouse)
    found = scorer.embed_records(list(records.values()))
    expected = dict(con.execute("select user_id, embed(user_id) from contract.profiles").fetchall())
    np.testing.assert_allclose(found, [expected[user] for user in records], atol=1e-4)


def test_sql_embeds_the_records_asked_for_and_a_null_as_null(
    con: duckdb.DuckDBPyConnection, scorer: RecordScorer, tmp_path: Path
) -> None:
    texts = [record(EVENT), None, "no JSON", record(EVENT, profile={"as_of": "2024-01-01"})]
    file = tmp_path / "records.parquet"
    pq.write_table(pa.table({"number": range(4), "record": texts}), file)
    found = con.execute(
        "select embed_records(record) from read_parquet($file) where number <> 2 order by number",
        {"file": str(file)},
    ).fetchall()
    one, other = scorer.embed_records([text for text in texts if text and text != "no JSON"])
    assert found[1] == (None,)
    np.testing.assert_allclose([found[0][0], found[2][0]], [one, other], atol=1e-5)


def test_sql_names_a_bad_record_and_the_connection_lives_on(
    con: duckdb.DuckDBPyConnection,
) -> None:
    seconds = record({**EVENT, "ts": 1_714_564_800})
    with pytest.raises(duckdb.Error, match=r"embed_records: events\[0\].ts: .* looks like seconds"):
        con.execute("select embed_records($text)", {"text": seconds}).fetchall()
    assert con.execute("select embed_records(null)").fetchall() == [(None,)]


def test_a_moment_cuts_a_record_as_embed_at_does(
    home: Home, con: duckdb.DuckDBPyConnection, scorer: RecordScorer
) -> None:
    text = json.dumps({**json.loads(records_of(home.warehouse)["user 05"]), "moment": "2024-07-01"})
    ((expected,),) = con.execute("select embed_at('user 05', timestamp '2024-07-01')").fetchall()
    np.testing.assert_allclose(scorer.embed_records([text])[0], expected, atol=1e-4)


def test_a_record_without_events_has_the_vector_of_an_empty_history(scorer: RecordScorer) -> None:
    one, other = scorer.embed_records(["{}", '{"events": [], "profile": []}'])
    assert np.isfinite(one).all()
    np.testing.assert_array_equal(one, other)


def test_a_vector_does_not_depend_on_the_records_beside_it(
    home: Home, scorer: RecordScorer
) -> None:
    records = list(records_of(home.warehouse).values())
    alone = np.concatenate([scorer.embed_records([text]) for text in records[:5]])
    np.testing.assert_allclose(scorer.embed_records(records)[:5], alone, atol=1e-5)


SAME_MOMENT = (
    1_714_564_800_000_000,
    "2024-05-01 12:00",
    "2024-05-01T12:00:00Z",
    "2024-05-01T14:00+02:00",
)


@pytest.mark.parametrize("ts", SAME_MOMENT)
def test_a_moment_may_be_microseconds_or_text(ts: object, tokenizer: RecordTokenizer) -> None:
    histories = tokenizer.histories([read_record(record({**EVENT, "ts": ts}))])
    assert histories.ts.tolist() == [SAME_MOMENT[0]]


@pytest.mark.parametrize(
    ("value", "text"),
    [(12, "12"), (12.50, "12.5"), ("12,50", "12.5"), (True, "true"), (1e400, None)],
)
def test_a_value_that_is_no_text_is_read_as_it_is_written(
    value: object, text: str | None, tokenizer: RecordTokenizer
) -> None:
    if text is None:
        with pytest.raises(PragmaError, match="Infinity is no number"):
            read_record(record({**EVENT, "fields": {"amount": value}}))
        return
    records = [
        read_record(record({**EVENT, "fields": {"amount": written}})) for written in (value, text)
    ]
    one, other = (tokenizer.histories([r]).tokens for r in records)
    np.testing.assert_array_equal(one, other)


def test_an_event_that_stands_twice_counts_once(tokenizer: RecordTokenizer) -> None:
    other = {**EVENT, "fields": {"mcc": "5812"}}
    twice = tokenizer.histories([read_record(record(EVENT, other, EVENT))])
    assert len(twice.ts) == 2


def test_a_megabyte_of_text_is_cut_as_in_the_build(tokenizer: RecordTokenizer) -> None:
    long = tokenizer.histories(
        [read_record(record({**EVENT, "fields": {"shop": "zx " * 350_000}}))]
    )
    assert len(long.tokens) == 24


ODD_TEXTS = ("a\x00b", "'; drop table events; --", "\u202eabc", "🍣" * 50, "\t\n", "")


@pytest.mark.parametrize("text", ODD_TEXTS, ids=ascii)
def test_odd_texts_are_read(text: str, tokenizer: RecordTokenizer) -> None:
    events = [{**EVENT, "fields": {"shop": text, text or "none": text}}]
    assert len(tokenizer.histories([read_record(record(*events))]).ts) == 1


BAD: Mapping[str, tuple[str, str]] = {
    "nothing": ("", "not JSON"),
    "half a record": ('{"events": [', "not JSON: .* at line 1, column 13"),
    "a list": ("[]", "the record is \\[\\], not an object"),
    "null": ("null", "the record is null, not an object"),
    "a misspelt key": ('{"event": []}', r"(?s)^event: there is no such key.*did you mean events\?"),
    "a misspelt key of an event": (
        record(EVENT, {"ts": "2024-05-01", "sorce": "card", "fields": {}}),
        r"(?s)^events\[1\].sorce: there is no such key.*did you mean source\?",
    ),
    "an unknown key": (
        record({**EVENT, "zone": "UTC"}),
        "(?s)no such key.*the keys are ts, source, fields",
    ),
    "a name twice": ('{"events": [], "events": []}', '"events" stands twice'),
    "no ts": (record({"source": "card", "fields": {}}), r"events\[0\].ts is missing"),
    "null ts": (record(EVENT, {**EVENT, "ts": None}), r"events\[1\].ts is null, not a moment"),
    "seconds": (record({**EVENT, "ts": 1_714_564_800}), r"events\[0\].ts: .* looks like seconds"),
    "milliseconds": (record({**EVENT, "ts": 1_714_564_800_000}), "looks like milliseconds"),
    "nanoseconds": (record({**EVENT, "ts": 1_714_564_800_000_000_000}), "looks like nanoseconds"),
    "a fraction": (record({**EVENT, "ts": 1.5}), "ts is 1.5, not a whole number of microseconds"),
    "a long number": (f'{{"moment": {"9" * 5000}}}', r"moment is 9{59}\.\.\., not a whole number"),
    "year 1900": (record({**EVENT, "ts": "1900-01-01"}), "lies outside 1990-01-01 .. 2100-01-01"),
    "no moment": (record({**EVENT, "ts": "yesterday"}), 'ts is "yesterday", not a moment'),
    "true": (record({**EVENT, "ts": True}), "is true, not a moment"),
    "seconds as the moment": (record(moment=1_714_564_800), "moment: .* looks like seconds"),
    "no source": (record({"ts": "2024-05-01", "fields": {}}), r"events\[0\].source is missing"),
    "blank source": (record({**EVENT, "source": " "}), 'source is " ", not text'),
    "no fields": (record({"ts": "2024-05-01", "source": "card"}), r"events\[0\].fields is missing"),
    "a nested field": (
        record({**EVENT, "fields": {"a": {"b": 1}}}),
        'fields.a is {"b": "1"}, not text',
    ),
    "a list as a field": (
        record({**EVENT, "fields": {"a": [1]}}),
        'fields.a is \\["1"\\], not text',
    ),
    "a nested field with a long name": (
        record({**EVENT, "fields": {"a\n" * 1000: []}}),
        r'fields."(a\\n){19}.*\.\.\. is \[\], not text',
    ),
    "fields in a list": (record({**EVENT, "fields": []}), "fields is \\[\\], not an object"),
    "an empty key": (
        record({**EVENT, "fields": {"": "1"}}),
        r"events\[0\].fields: a name is empty",
    ),
    "NaN": ('{"moment": NaN}', "NaN is no number"),
    "half a character": ('{"user_id": "\\ud800"}', "not Unicode"),
    "very deep": ("[" * 100_000, "nested too deeply"),
    "no as_of": (record(profile={"attributes": {}}), r"profile\[0\].as_of is missing"),
    "two of a moment": (record(profile=[{"as_of": "2024-01-01"}] * 2), "the same as_of"),
    "a nameless milestone": (
        record(profile={"as_of": "2024-01-01", "lifelong": [{"ts": "2024-01-01"}]}),
        r"profile\[0\].lifelong\[0\].key is missing",
    ),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_a_bad_record_is_refused_in_one_sentence_that_says_where(text: str, said: str) -> None:
    with pytest.raises(PragmaError, match=said) as refused:
        read_record(text)
    assert "\n" not in refused.value.what
    assert refused.value.next_step


def test_of_many_records_the_bad_one_is_named(scorer: RecordScorer) -> None:
    with pytest.raises(PragmaError, match=r"record 1: events\[0\].ts is missing"):
        scorer.embed_records([record(EVENT), record({"source": "card", "fields": {}})])
