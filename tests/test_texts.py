"""Texts that keep their wording: one vector a distinct string, from the warehouse to `embed()`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import datasets
import duckdb
import numpy as np
import pyarrow as pa
import pytest
from histories_fixture import CUT, DAY, SHOP, SOURCE, TEXT, VOCABULARY_SIZE, Event, User, moments
from histories_fixture import histories as plain_histories
from trained import activity_of

from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.formats.bundle import open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.histories import Histories
from pragma_sql.formats.packing import Packed, pack
from pragma_sql.formats.paths import DBT_PROJECT, MACROS, Home
from pragma_sql.formats.text_encoder import Float, HashedNgrams, Texts, TextVectors, text_encoder
from pragma_sql.warehouse import build as building
from pragma_sql.warehouse.build import build
from pragma_sql.warehouse.export_shards import export_shards
from pragma_sql.warehouse.registry import register_bundle
from pragma_udfs.functions import register

torch = pytest.importorskip("torch", reason="the `train` extra is not installed")

from pragma_model.export.bundle import load_model  # noqa: E402
from pragma_model.export.graphs import Graphs, export_graphs  # noqa: E402
from pragma_model.model.inputs import Batch  # noqa: E402
from pragma_model.model.model import PragmaModel  # noqa: E402
from pragma_model.model.sizes import SIZES  # noqa: E402
from pragma_model.training.masking import mask_values  # noqa: E402
from pragma_model.training.objective import reconstruct  # noqa: E402
from pragma_model.training.settings import MaskRates, TrainSettings  # noqa: E402
from pragma_model.training.trainer import train  # noqa: E402

SENTINEL = 49
"""The value id that stands for a string in these histories."""

CLOSE = 1e-4


def with_texts(lines: Sequence[Sequence[str | None]], table: TextVectors) -> Histories:
    """A user for each line, an event a day with its text, or without one."""
    users, texts = [], []
    for number, line in enumerate(lines):
        events = []
        for day, text in enumerate(line):
            tokens = [(SOURCE, 10, 0), (SHOP, 20 + number, 0)]
            if text is not None:
                tokens.append((TEXT, SENTINEL, 0))
                texts.append(text)
            events.append(Event(CUT - (len(line) - day) * DAY, tokens))
        users.append(User(f"user {number}", events))
    plain = plain_histories(users)
    found, (tokens_, items) = Texts.numbered(
        [plain.tokens, plain.item_tokens],
        [pa.array(texts, pa.string()), pa.array([], pa.string())],
        table,
    )
    return replace(plain, tokens=tokens_, item_tokens=items, texts=found)


LINES = [["rent", "coffee"], [None, "coffee shop", "rent"], [None], []]


@pytest.fixture
def table() -> TextVectors:
    return TextVectors([SENTINEL])


@pytest.fixture
def users(table: TextVectors) -> Histories:
    return with_texts(LINES, table)


def packed(users: Histories) -> Packed:
    return pack(users, moments(len(users)), distinct=False)


# --- strings and vectors ---


def test_like_spellings_have_like_vectors_and_a_string_always_the_same() -> None:
    coffee, shop, rent, again = HashedNgrams().encode(["Coffee", "coffee shop", "rent", "coffee"])
    assert np.array_equal(coffee, again)

    def cosine(one: Float, other: Float) -> float:
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    assert cosine(coffee, shop) > 0.5 > abs(cosine(coffee, rent))
    assert text_encoder("ngrams").width == len(coffee)


def test_an_empty_and_a_one_letter_string_have_vectors() -> None:
    assert np.abs(HashedNgrams().encode(["", "a"])).sum(1).min() > 0


def test_each_distinct_string_is_encoded_once(
    table: TextVectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []
    encode = HashedNgrams.encode

    def counting(self: HashedNgrams, texts: Sequence[str]) -> Float:
        encoded.extend(texts)
        return encode(self, texts)

    monkeypatch.setattr(HashedNgrams, "encode", counting)
    for _ in range(2):
        packed(with_texts(LINES, table))
    assert sorted(encoded) == ["coffee", "coffee shop", "rent"]


def test_vectors_are_right_also_beyond_those_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["a b c", "d e f", "g h i"]
    expected = TextVectors([SENTINEL]).of(texts)
    monkeypatch.setattr("pragma_sql.formats.text_encoder.MAX_CACHED_STRINGS", 1)
    small = TextVectors([SENTINEL])
    small.of(texts[:1])
    np.testing.assert_array_equal(small.of(texts), expected)


def test_a_folder_that_is_no_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PragmaError, match=r"(?s)no modules\.json.*ngrams"):
        text_encoder(str(tmp_path))


@pytest.mark.skipif(
    find_spec("sentence_transformers") is not None, reason="sentence-transformers is installed"
)
def test_without_sentence_transformers_a_folder_of_it_names_what_to_install(
    tmp_path: Path,
) -> None:
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(PragmaError, match=r"(?s)needs sentence-transformers.*pip install"):
        text_encoder(str(tmp_path))


def test_another_model_than_that_of_training_is_refused(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(PragmaError, match="holds another text encoder"):
        text_encoder(f"{tmp_path}@00000000")


def test_strings_come_through_arrow_selections_and_cuts(
    users: Histories, table: TextVectors
) -> None:
    again = Histories.from_arrow(users.to_arrow(), table)
    for some in (users, again):
        assert some.texts is not None
        chosen = some.select(np.array([1, 0]))
        assert some.texts.of_tokens(chosen.tokens).to_pylist() == [
            "coffee shop",
            "rent",
            "rent",
            "coffee",
        ]
        recent = some.as_of(moments(len(some)), max_events=1)
        assert some.texts.of_tokens(recent.tokens).to_pylist() == ["coffee", "rent"]


def test_tokens_and_strings_that_do_not_match_are_refused(users: Histories) -> None:
    with pytest.raises(PragmaError, match="4 tokens stand for a string, but 3 strings"):
        Texts.numbered(
            [users.tokens[:, :3]], [pa.array(["a", "b", None, "c"])], TextVectors([SENTINEL])
        )


def test_rows_without_strings_are_refused(users: Histories, table: TextVectors) -> None:
    with pytest.raises(PragmaError, match=r"(?s)need the columns texts and.*pragma shards"):
        Histories.from_arrow(users.to_arrow().drop_columns(["texts", "profile_texts"]), table)


def test_a_batch_carries_the_vectors_it_uses(users: Histories, table: TextVectors) -> None:
    batch = packed(users.select(np.array([0])))
    assert batch.event_texts is not None
    number = batch.event_tokens[:, 3]
    assert (number[batch.event_first] == -1).all()
    np.testing.assert_array_equal(
        batch.event_texts[number[number >= 0]], table.of(["rent", "coffee"])
    )


# --- the model ---


@pytest.fixture
def model(table: TextVectors) -> PragmaModel:
    torch.manual_seed(0)
    return PragmaModel(SIZES["nano"], VOCABULARY_SIZE, table.encoder.width).eval()


def test_wording_moves_a_user_vector_and_equal_wording_does_not(
    model: PragmaModel, table: TextVectors
) -> None:
    lines = [["rent"], ["rent"], ["a holiday"]]
    same = with_texts(lines, table)
    same.tokens[same.tokens[:, 0] == SHOP, 1] = 20
    with torch.no_grad():
        one, other, third = model(Batch.of(packed(same))).vectors
    torch.testing.assert_close(one, other)
    assert not torch.allclose(one, third, atol=1e-3)


def test_what_is_hidden_of_a_text_is_all_of_it(model: PragmaModel, table: TextVectors) -> None:
    def states(word: str) -> tuple[torch.Tensor, torch.Tensor]:
        batch = Batch.of(packed(with_texts([[word] * 30] * 4, table)))
        masked = mask_values(
            batch, MaskRates(token=0.99, unknown=0.2), torch.Generator().manual_seed(1)
        )
        assert masked.text_targets is not None
        kept = masked.batch.events.event_tokens
        assert (kept[masked.text_targets, 3] == -1).all()
        assert (kept[kept[:, 1] == 2, 3] == -1).all(), "[UNK] hides the wording too"
        masked.batch.events.event_tokens[:, 3] = torch.where(kept[:, 1] == SENTINEL, -1, kept[:, 3])
        with torch.no_grad():
            return model(masked.batch, masked.all_targets).guesses, masked.text_targets

    one, targets = states("rent")
    other, same_targets = states("a holiday")
    assert len(targets) > 50
    assert torch.equal(targets, same_targets)
    torch.testing.assert_close(one, other)


def test_hidden_texts_are_no_values_to_find_but_vectors(
    model: PragmaModel, table: TextVectors
) -> None:
    batch = Batch.of(packed(with_texts([["rent", "coffee", None] * 20] * 4, table)))
    masked = mask_values(batch, MaskRates(token=0.5), torch.Generator().manual_seed(1))
    assert SENTINEL not in masked.values.tolist()
    assert masked.texts is not None
    assert masked.text_targets is not None
    before = batch.events.event_tokens[masked.text_targets, 3]
    assert torch.equal(masked.texts, batch.events.event_texts[before])
    found = reconstruct(model, masked, 0.1)
    text_error = found.loss.detach() - found.losses.mean()
    # Before training, a guess near nothing misses components of order one by their square.
    assert 0.5 < float(text_error) < 2.0


def test_training_lowers_the_error_of_texts(table: TextVectors) -> None:
    torch.manual_seed(0)
    model = PragmaModel(SIZES["nano"], VOCABULARY_SIZE, table.encoder.width)
    # Each user has one wording, which the other events tell.
    lines = [[f"{word} {n % 2}"] * 8 for n, word in enumerate(["rent", "coffee", "flowers"] * 8)]
    batch = Batch.of(packed(with_texts(lines, table)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    errors = []
    for _ in range(40):
        found = reconstruct(model, mask_values(batch, MaskRates(), generator), 0.1)
        found.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        errors.append(float(found.loss.detach() - found.losses.mean()))
    assert np.mean(errors[-5:]) < 0.6 * np.mean(errors[:5])


@pytest.mark.slow
def test_the_graphs_take_texts_and_none(
    model: PragmaModel, table: TextVectors, tmp_path: Path
) -> None:
    export_graphs(model, tmp_path)
    for lines in (LINES, [[None, None]], [[]], [["one"]]):
        batch = packed(with_texts(lines, table))
        with torch.no_grad():
            expected = model(Batch.of(batch)).vectors.numpy()
        np.testing.assert_allclose(
            Graphs(tmp_path).user_vectors(batch), expected, atol=CLOSE, err_msg=str(lines)
        )


# --- the whole road ---

OVERRIDES = "key,kind,static,dataset\nshop,text_embed,,\nregion,text_embed,,\n"


@pytest.fixture(scope="module")
def home(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The toy dataset, with shops and regions as texts, and caps that cut some shops away."""
    root = tmp_path_factory.mktemp("texts")
    shutil.copytree(DBT_PROJECT, root / "dbt_project")
    shutil.copytree(MACROS, root / "macros", dirs_exist_ok=True)
    (root / "dbt_project" / "seeds" / "field_overrides.csv").write_text(OVERRIDES)
    home = Home.of(root / "home")
    variables = {**dataset_vars(toy_dataset, []), **datasets.TOY_VARS, "max_event_tokens": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "DBT_PROJECT", root / "dbt_project")
        build(home, variables, select=["+user_tokens"])
        shards = export_shards(home.warehouse, home.shards)
        train(shards, TrainSettings(steps=3, budget=1024), home, "texts")
        register_bundle(open_bundle(home.runs / "texts" / "bundle"), home.warehouse)
        build(home, variables, select=["models", "user_embeddings"])
        yield home


@pytest.mark.long
def test_embed_gives_the_vectors_of_torch(home: Home) -> None:
    bundle = open_bundle(home.runs / "texts" / "bundle")
    assert (bundle.manifest.text_encoder, bundle.manifest.text_width) == ("ngrams", 256)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        register(con)
        rows = con.execute("from tokens.user_tokens order by user_id").to_arrow_table()
        found = dict(
            con.execute("select user_id, embed(user_id) from contract.profiles").fetchall()
        )
        cut = con.execute(
            "select count(*) from tokens.event_tokens"
            " where tokens_cut > 0 and len(texts) = 0 and source = 'card'"
        ).fetchall()[0][0]
        spec = con.execute("select token_id from fit.vocabulary where kind = 'text_embed'")
        sentinels = [token for (token,) in spec.fetchall()]
    assert cut > 0, "some shops are beyond the cap"
    users = Histories.from_arrow(rows, TextVectors(sentinels))
    assert users.texts is not None
    assert {"north", "south"} < set(users.texts.strings.to_pylist())
    with torch.no_grad():
        model, latest = load_model(bundle), users.latest_moments()
        activity = activity_of(model, home, users, latest)
        batch = Batch.of(pack(users, latest, distinct=False, activity=activity))
        expected = model(batch).vectors.numpy()
    for user, vector in zip(users.user_ids, expected, strict=True):
        np.testing.assert_allclose(found[user], vector, atol=CLOSE, err_msg=user)


@pytest.mark.long
def test_shards_hold_the_strings(home: Home) -> None:
    from pragma_sql.formats.shards import open_shards

    shards = open_shards(home.shards)
    flat = shards.table("train")["texts"].combine_chunks().flatten()
    assert set(flat.to_pylist()) <= {f"{shop} {n}" for shop in datasets.SHOPS for n in range(4)}
    assert len(flat) > 20
