"""One bundle, the same numbers at every door, and nothing from after the moment."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import datasets
import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from trained import activity_of

from pragma_sql.formats.bundle import open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.histories import NO_TIME, Histories, Int
from pragma_sql.formats.packing import pack
from pragma_sql.formats.paths import Home
from pragma_sql.scoring.scorer import Scorer
from pragma_sql.warehouse.registry import current_bundle, register_bundle
from pragma_sql.warehouse.render import tokenize_sql
from pragma_udfs.bpe import register_bpe
from pragma_udfs.functions import register

torch = pytest.importorskip("torch", reason="the `train` extra is not installed")

from pragma_model.export.bundle import load_model  # noqa: E402
from pragma_model.model.inputs import Batch  # noqa: E402

MOMENT = "2024-07-01"
TOLERANCE = 1e-4

Vectors = npt.NDArray[np.float32]


@pytest.fixture
def home(embedded: Home) -> Home:
    """The toy warehouse with a registered model and its embeddings; read only."""
    return embedded


@pytest.fixture
def con(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        register(con)
        yield con


def by_user(con: duckdb.DuckDBPyConnection, query: str) -> dict[str, Vectors]:
    return {user: np.asarray(vector, np.float32) for user, vector in con.execute(query).fetchall()}


def assert_same(found: dict[str, Vectors], expected: dict[str, Vectors]) -> None:
    assert set(found) == set(expected)
    for user, vector in expected.items():
        np.testing.assert_allclose(found[user], vector, atol=TOLERANCE, err_msg=user)


def micros(day: str) -> int:
    return int(np.datetime64(day, "us").astype(np.int64))


def user_tokens(con: duckdb.DuckDBPyConnection) -> Histories:
    rows = con.execute("from tokens.user_tokens order by user_id").to_arrow_table()
    return Histories.from_arrow(rows)


def tokens_of(
    con: duckdb.DuckDBPyConnection, events: list[datasets.Event], profiles: list[datasets.Profile]
) -> Histories:
    """Rows that are in no warehouse, by the warehouse's own frozen tokenizer."""
    spec, tokenizer_hash, bpe = con.execute(
        "select spec, tokenizer_hash, bpe from fit.tokenizer"
    ).fetchall()[0]
    with duckdb.connect() as online:
        register_bpe(online, lambda _: bpe)
        for name, rows, schema in (
            ("events", [event.row() for event in events], datasets.EVENTS),
            ("profiles", [profile.row() for profile in profiles], datasets.PROFILES),
        ):
            online.register(name, pa.Table.from_pylist(rows, schema=schema))
        online.execute(tokenize_sql(spec, tokenizer_hash))
        rows = online.execute("from user_tokens order by user_id").to_arrow_table()
    return Histories.from_arrow(rows)


def score(home: Home, histories: Histories, day: str = MOMENT) -> dict[str, Vectors]:
    scorer = Scorer(open_bundle(current_bundle(home.warehouse)))
    vectors = scorer.score(histories, np.full(len(histories), micros(day)))
    return dict(zip(histories.user_ids, vectors, strict=True))


def torch_vectors(home: Home, histories: Histories, moments: Int) -> dict[str, Vectors]:
    model = load_model(open_bundle(current_bundle(home.warehouse)))
    with torch.no_grad():
        activity = activity_of(model, home, histories, moments)
        cut = histories.as_of(moments)
        batch = Batch.of(pack(cut, moments, distinct=False, activity=activity))
        vectors = model(batch).vectors.numpy()
    return dict(zip(histories.user_ids, vectors, strict=True))


def test_torch_onnx_embed_and_the_table_agree(home: Home, con: duckdb.DuckDBPyConnection) -> None:
    histories = user_tokens(con)
    expected = torch_vectors(home, histories, np.full(len(histories), micros(MOMENT)))
    assert_same(score(home, histories), expected)
    at = f"embed_at(user_id, timestamp '{MOMENT}')"
    assert_same(by_user(con, f"select user_id, {at} from contract.profiles"), expected)
    table = f"from vectors.user_embeddings where as_of = timestamp '{MOMENT}'"
    assert_same(by_user(con, f"select user_id, embedding {table}"), expected)


def test_embed_is_embed_at_just_after_all_that_is_known(
    home: Home, con: duckdb.DuckDBPyConnection
) -> None:
    histories = user_tokens(con)
    expected = torch_vectors(home, histories, histories.latest_moments())
    assert_same(by_user(con, "select user_id, embed(user_id) from contract.profiles"), expected)


def test_the_latest_moment_of_the_table_is_that_of_embed(con: duckdb.DuckDBPyConnection) -> None:
    histories = user_tokens(con)
    known = [np.full(len(histories), NO_TIME) for _ in range(2)]
    np.maximum.at(known[0], histories.event_user, histories.ts)
    np.maximum.at(
        known[1], histories.item_user, np.maximum(histories.item_as_of, histories.item_ts)
    )
    # Either an event or a profile item may be the last that is known of a user.
    assert (known[0] > known[1]).any()
    assert (known[0] < known[1]).any()
    table = "select user_id, epoch_us(as_of) from vectors.latest_embeddings"
    expected = zip(histories.user_ids, histories.latest_moments().tolist(), strict=True)
    assert dict(con.execute(table).fetchall()) == dict(expected)


def test_embed_at_equals_tokenising_only_what_came_before(
    home: Home, con: duckdb.DuckDBPyConnection
) -> None:
    before = [event for event in datasets.toy_events() if (event.day or "") < MOMENT]
    known = [
        replace(
            profile, lifelong={key: day for key, day in profile.lifelong.items() if day < MOMENT}
        )
        for profile in datasets.toy_profiles()
    ]
    assert len(before) < len(datasets.toy_events())
    at = f"embed_at(user_id, timestamp '{MOMENT}')"
    assert_same(
        by_user(con, f"select user_id, {at} from contract.profiles"),
        score(home, tokens_of(con, before, known)),
    )


@pytest.mark.parametrize(
    ("planted", "moves"),
    [
        (datasets.Event("user 05", "2024-06-30 23:59", {"category": "fuel"}), True),
        (datasets.Event("user 05", "2024-07-01", {"category": "fuel"}), False),
        (datasets.Event("user 05", "2024-07-02", {"category": "fuel"}), False),
    ],
    ids=["a minute before", "at the moment", "a day after"],
)
def test_only_an_event_strictly_before_the_moment_moves_the_vector(
    planted: datasets.Event, moves: bool, home: Home, con: duckdb.DuckDBPyConnection
) -> None:
    events, profiles = datasets.toy_events(), datasets.toy_profiles()
    honest = score(home, tokens_of(con, events, profiles))
    betrayed = score(home, tokens_of(con, [*events, planted], profiles))
    moved = {user for user in honest if not np.allclose(honest[user], betrayed[user], atol=1e-5)}
    assert moved == ({"user 05"} if moves else set())


@pytest.mark.parametrize(
    ("planted", "moves"),
    [
        (datasets.Profile("user 05", MOMENT, {"region": "north", "age": "99"}), True),
        (datasets.Profile("user 05", "2024-07-02", {"region": "north", "age": "99"}), False),
        (datasets.Profile("user 05", "2024-07-02", {}, {"first_refund": "2024-01-02"}), True),
        (datasets.Profile("user 05", "2024-07-02", {}, {"first_refund": MOMENT}), False),
    ],
    ids=[
        "snapshot of the moment",
        "later snapshot",
        "later snapshot that tells of an older milestone",
        "milestone of the moment itself",
    ],
)
def test_the_newest_snapshot_not_later_and_milestones_strictly_before_the_moment_count(
    planted: datasets.Profile, moves: bool, home: Home, con: duckdb.DuckDBPyConnection
) -> None:
    events, profiles = datasets.toy_events(), datasets.toy_profiles()
    honest = score(home, tokens_of(con, events, profiles))
    betrayed = score(home, tokens_of(con, events, [*profiles, planted]))
    moved = {user for user in honest if not np.allclose(honest[user], betrayed[user], atol=1e-5)}
    assert moved == ({"user 05"} if moves else set())


def test_a_user_without_events_before_the_moment_has_a_vector(
    con: duckdb.DuckDBPyConnection,
) -> None:
    (vector,) = con.execute("select embed_at('user 05', timestamp '2023-01-01')").fetchall()[0]
    assert np.isfinite(vector).all()


def test_an_unknown_user_and_a_null_have_none(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute("select embed('nobody'), embed(null)").fetchall() == [(None, None)]


def test_null_in_null_out(home: Home, con: duckdb.DuckDBPyConnection) -> None:
    model_id = current_bundle(home.warehouse).name
    null = {
        "embed": "embed(null)",
        "no user": "embed_at(null, timestamp '2024-07-01')",
        "no moment": "embed_at('user 05', null)",
        "no moment of a column": "embed_at('user 05', nullif(now()::timestamp, now()::timestamp))",
        "no model": "embed_with(null, 'user 05')",
        "no user of a model": f"embed_with('{model_id}', null)",
        "no record": "embed_records(null)",
    }
    found = dict(
        zip(null, con.execute(f"select {', '.join(null.values())}").fetchall()[0], strict=True)
    )
    assert found == dict.fromkeys(null)


def test_among_moments_and_models_a_null_is_a_null_and_the_others_are_answered(
    home: Home, con: duckdb.DuckDBPyConnection
) -> None:
    model_id = current_bundle(home.warehouse).name
    rows = con.execute(
        "select embed_at('user 05', moment) is null, embed_with(model, 'user 05') is null"
        " from (values (null, null),"
        f" (timestamp '{MOMENT}', '{model_id}')) as asked (moment, model)"
    ).fetchall()
    assert sorted(rows) == [(False, False), (True, True)]


def test_vectors_on_the_spot_compare_with_those_of_the_table(
    con: duckdb.DuckDBPyConnection,
) -> None:
    assert con.execute(
        "select min(array_cosine_similarity(embed(user_id), embedding)) > 0.9999,"
        " max(array_distance(embed_at(user_id, as_of), embedding)) < 1e-3,"
        " bool_and((embed(user_id) = embedding) is not null)"
        " from vectors.latest_embeddings"
    ).fetchall() == [(True, True, True)]


def test_before_there_is_a_model_embed_says_what_to_do(toy: Home) -> None:
    with duckdb.connect(str(toy.warehouse), read_only=True) as con:
        register(con)
        with pytest.raises(duckdb.Error, match="no model is registered for this warehouse"):
            con.execute("select embed('user 05')")


@pytest.mark.parametrize("ids", [(None, None, None), ("b", "a", "c")], ids=["content", "event_id"])
def test_ties_in_time_give_one_history_whatever_the_order_of_the_rows(
    ids: tuple[str | None, ...], con: duckdb.DuckDBPyConnection
) -> None:
    tied = [
        datasets.Event("u", "2024-05-01", {"category": value}, event_id=event_id)
        for value, event_id in zip(("food", "fuel", "rent"), ids, strict=True)
    ]
    forward, backward = (tokens_of(con, rows, []).tokens for rows in (tied, tied[::-1]))
    np.testing.assert_array_equal(forward, backward)
    if None not in ids:
        by_id = sorted(tied, key=lambda event: event.event_id or "")
        later = [replace(e, day=f"2024-05-01 0{n}:00") for n, e in enumerate(by_id)]
        np.testing.assert_array_equal(forward, tokens_of(con, later, []).tokens)


QUERIES = {
    "limit": "select user_id, embed(user_id) from contract.profiles limit 3",
    "limit of an order": (
        "select user_id, embed(user_id)"
        " from (select user_id from contract.profiles order by user_id limit 3)"
    ),
    "filter": "select user_id, embed(user_id) from contract.profiles where user_id < 'user 03'",
    "join": (
        "select p.user_id, embed(p.user_id) from contract.profiles as p"
        " join (select distinct user_id from contract.labels) as l using (user_id)"
        " where p.user_id < 'user 03'"
    ),
    "group by": (
        "select user_id, embed(user_id) from contract.events"
        " where user_id < 'user 03' group by user_id"
    ),
    "view": "select * from scored where user_id < 'user 03'",
    "each event": "select user_id, embed(user_id) from contract.events where user_id < 'user 03'",
    "cte": (
        "with few as (select user_id from contract.profiles where user_id < 'user 03')"
        " select user_id, embed(user_id) from few"
    ),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_embed_is_right_and_scores_only_the_users_asked_for(
    query: str, con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[str] = []
    score_all = Scorer.score

    def counting(self: Scorer, histories: Histories, moments: Int) -> Vectors:
        scored.extend(histories.user_ids)
        return score_all(self, histories, moments)

    monkeypatch.setattr(Scorer, "score", counting)
    con.execute(
        "create temp view scored as select user_id, embed(user_id) as v from contract.profiles"
    )
    found = by_user(con, query)
    assert len(found) == 3
    assert sorted(scored) == sorted(found)
    everyone = by_user(con, "select user_id, embed(user_id) from contract.profiles")
    assert_same(found, {user: everyone[user] for user in found})


def test_any_duckdb_client_reads_the_table(home: Home) -> None:
    model = load_model(open_bundle(current_bundle(home.warehouse)))
    with duckdb.connect(str(home.warehouse), read_only=True) as plain:
        kind, count = plain.execute(
            "select typeof(any_value(embedding)), count(*) from vectors.user_embeddings"
        ).fetchall()[0]
    assert (kind, count) == (
        f"FLOAT[{model.embedding_size}]",
        len(datasets.toy_labels()) + len(datasets.toy_profiles()),
    )


def test_the_shards_hold_nothing_from_the_cut_off_on(home: Home) -> None:
    from pragma_sql.formats.shards import SPLITS, open_shards

    shards = open_shards(home.shards)
    until = micros(shards.manifest.as_of)
    assert until == micros(str(datasets.TOY_VARS["fit_until"]))
    users: list[str] = []
    for split in SPLITS:
        histories = Histories.from_arrow(shards.table(split))
        users += histories.user_ids
        assert len(histories.ts)
        assert (histories.ts < until).all()
        assert (histories.item_ts < until).all()
    assert len(users) == len(set(users))


def test_a_bundle_of_another_tokenizer_is_refused(home: Home) -> None:
    bundle = open_bundle(home.runs / "toy" / "bundle")
    other = replace(bundle, manifest=replace(bundle.manifest, tokenizer_hash="f" * 64))
    with pytest.raises(PragmaError, match="ffffffffffff, but this warehouse's tokens are of"):
        register_bundle(other, home.warehouse)


def test_embed_refuses_tokens_of_another_tokenizer(home: Home, tmp_path: Path) -> None:
    stray = Home.of(tmp_path)
    shutil.copy(home.warehouse, stray.warehouse)
    shutil.copytree(home.bundles, stray.bundles)
    with duckdb.connect(str(stray.warehouse)) as con:
        register(con)
        con.execute("update tokens.event_tokens set tokenizer = 'refitted'")
        with pytest.raises(duckdb.Error, match="these tokens are of refitted"):
            con.execute("select embed(user_id) from contract.profiles").fetchall()


@pytest.mark.parametrize("name", ["event_encoder.onnx", "model.safetensors", "tokenize.sql"])
def test_a_bundle_with_one_changed_byte_is_refused(name: str, home: Home, tmp_path: Path) -> None:
    copy = shutil.copytree(home.runs / "toy" / "bundle", tmp_path / "bundle")
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(PragmaError, match=f"{name}: the content differs"):
        open_bundle(copy)
