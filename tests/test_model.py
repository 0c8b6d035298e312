"""The packed forward is the paper's model: a plain reference says the same, user by user."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from histories_fixture import (
    AMOUNT,
    AMOUNTS,
    CUT,
    DAY,
    SEGMENT,
    SHOP,
    SOURCE,
    VOCABULARY_SIZE,
    Event,
    Item,
    User,
    histories,
    moments,
    ragged_users,
)
from torch import Tensor, nn

from pragma_model.model.inputs import Batch
from pragma_model.model.layers import Encoder, Layer, Rotation
from pragma_model.model.model import Encoded, PragmaModel, sinusoids
from pragma_model.model.readout import (
    PAPER,
    Block,
    Readout,
    default_readout,
    parse_readout,
    readout_text,
    readout_width,
)
from pragma_model.model.sizes import HEAD_WIDTH, SIZES, ModelSize, size_of
from pragma_sql.formats.activity import ActivitySpec, Timeline
from pragma_sql.formats.bundle import BundleManifest
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.histories import Histories
from pragma_sql.formats.packing import EVT, MASK, USR, Float, pack

TWO_HEADS = ModelSize("two heads", 2 * HEAD_WIDTH, 1, 2, 1)
CLOSE = 2e-5


@pytest.fixture(scope="module")
def model() -> PragmaModel:
    torch.manual_seed(7)
    return PragmaModel(TWO_HEADS, VOCABULARY_SIZE).eval()


def embed(model: PragmaModel, users: Histories, *, distinct: bool = False) -> Tensor:
    """User vectors, [B, E]."""
    packed = pack(users, moments(len(users)), distinct=distinct, activity=activity_of(model, users))
    with torch.no_grad():
        encoded: Encoded = model(Batch.of(packed))
    return encoded.vectors


# --- the reference: one user, one event, one head at a time; nothing is packed or padded ---


def activity_of(model: PragmaModel, users: Histories) -> Float | None:
    if model.spec is None:
        return None
    numbers = np.full(VOCABULARY_SIZE, np.nan)
    numbers[list(AMOUNTS)] = list(AMOUNTS)
    timeline = Timeline(users, model.spec, numbers)
    return timeline.state(np.arange(len(users)), moments(len(users)))


def reference_vector(model: PragmaModel, user: User) -> Tensor:
    """The states of [USR] and of the last event by the formulas of the paper, [2 D].

    What activity adds, and its block, follow docs/decisions/lookahead.md.
    """

    def embedded(tokens: list[tuple[int, int, int]]) -> Tensor:
        table, width = model.embedding.table.weight, model.size.width
        positions = sinusoids(256, width) * (2 / width) ** 0.5
        return torch.stack([table[key] + table[value] + positions[at] for key, value, at in tokens])

    tokens, times = [(USR, USR, 0)], [0.0]
    for item in user.items:
        tokens += item.tokens
        times += [0.0 if item.ts is None else log_age(CUT - item.ts)] * len(item.tokens)
    history = [reference_encoder(model.profile_encoder, embedded(tokens), times)[0]]
    standard = torch.zeros(0)
    if model.activity is not None:
        (numbers,) = torch.from_numpy(activity_of(model, histories([user])))
        scales = model.activity.standard
        standard = ((numbers - scales.mean) / scales.scale).nan_to_num(0.0).clamp(-10, 10)
        first, _, last = model.activity.map
        history[0] = history[0] + last(F.gelu(first(standard[: first.in_features])))
    ages = [0.0]
    for event in user.events:
        row = embedded([(EVT, EVT, 0), *event.tokens])
        vector = reference_encoder(model.event_encoder, row, [0.0] * len(row))[0]
        history.append(vector + reference_calendar(model.calendar, event.ts))
        ages.append(log_age(user.events[-1].ts - event.ts))
    states = reference_encoder(model.history_encoder, torch.stack(history), ages)
    hinges = [(standard - at).clamp(min=0) for at in (-1, 0, 1)]
    return torch.cat([states[0], states[-1], standard, *hinges])


def reference_encoder(encoder: Encoder, x: Tensor, times: list[float]) -> Tensor:
    """Pre-norm transformer over one row, [n, D] -> [n, D]."""
    for layer in encoder.layers:
        assert isinstance(layer, Layer)
        normed = layer.attention_norm(x)
        q, k, v = layer.query(normed), layer.key(normed), layer.value(normed)
        mixed = torch.empty_like(x)
        for start in range(0, x.shape[1], HEAD_WIDTH):
            head = slice(start, start + HEAD_WIDTH)
            keys = torch.stack([rotated(k[j, head], times[j]) for j in range(len(x))])
            for i in range(len(x)):
                scores = keys @ rotated(q[i, head], times[i]) / HEAD_WIDTH**0.5
                mixed[i, head] = scores.softmax(0) @ v[:, head]
        x = x + layer.output(mixed)
        x = x + layer.down(F.gelu(layer.up(layer.feed_norm(x))))
    out: Tensor = encoder.norm(x)
    return out


def rotated(x: Tensor, time: float) -> Tensor:
    """Rotary encoding as a product of complex numbers, [K] -> [K]."""
    half = len(x) // 2
    turns = torch.polar(torch.ones(half), time * 10_000.0 ** (-torch.arange(half) / half))
    turned = torch.complex(x[:half], x[half:]) * turns
    return torch.cat([turned.real, turned.imag])


def reference_calendar(layers: nn.Sequential, ts: int) -> Tensor:
    """Hour of day, day of week and day of month as angles, [D]."""
    moment = np.datetime64(ts, "s")
    hour = (moment - moment.astype("M8[D]")) / np.timedelta64(1, "h") // 1
    weekday = (int(moment.astype("M8[D]").astype(int)) + 3) % 7
    monthday = int((moment.astype("M8[D]") - moment.astype("M8[M]")).astype(int))
    angles = 2 * np.pi * np.array([hour / 24, weekday / 7, monthday / 31])
    out: Tensor = layers(torch.tensor([*np.sin(angles), *np.cos(angles)], dtype=torch.float32))
    return out


def log_age(seconds: int) -> float:
    return float(8 * np.log1p(seconds / 8))


# --- the claims ---


def test_packed_forward_equals_the_reference_for_users_of_all_lengths(model: PragmaModel) -> None:
    users = ragged_users()
    with torch.no_grad():
        expected = torch.stack([reference_vector(model, user) for user in users])
    torch.testing.assert_close(embed(model, histories(users)), expected, atol=CLOSE, rtol=0)


@pytest.mark.parametrize("readout", ["user", "last", "both", "last,user"])
def test_an_embedding_holds_the_states_that_are_asked_for(model: PragmaModel, readout: str) -> None:
    users = ragged_users()
    with torch.no_grad():
        both = torch.stack([reference_vector(model, user) for user in users])
    user, last = both.chunk(2, dim=1)
    turned = torch.cat([last, user], dim=1)
    expected = {"user": user, "last": last, "both": both, "last,user": turned}[readout]
    alike = deepcopy(model)
    alike.readout = parse_readout(readout)
    assert alike.embedding_size == expected.shape[1]
    torch.testing.assert_close(embed(alike, histories(users)), expected, atol=CLOSE, rtol=0)


def test_activity_is_added_to_the_user_and_is_a_block_of_the_embedding() -> None:
    torch.manual_seed(7)
    spec = ActivitySpec((DAY, 30 * DAY), (7 * DAY,), (AMOUNT,), 6500, attributes=(SEGMENT,))
    model = PragmaModel(TWO_HEADS, VOCABULARY_SIZE, spec=spec).eval()
    assert model.activity is not None
    model.readout = parse_readout("user,last,state,hinges")
    users = ragged_users()
    model.activity.standard.fit(torch.from_numpy(activity_of(model, histories(users))))
    with torch.no_grad():
        expected = torch.stack([reference_vector(model, user) for user in users])
    assert model.embedding_size == expected.shape[1] == 2 * TWO_HEADS.width + 4 * spec.width
    torch.testing.assert_close(embed(model, histories(users)), expected, atol=CLOSE, rtol=0)


@pytest.mark.parametrize("text", ["user", "both", "user,last,state", "hinges,user"])
def test_a_readout_is_read_as_it_was_written(text: str) -> None:
    readout: Readout = parse_readout(text)
    assert readout_text(readout) == text
    assert set(readout) <= set(Block)


@pytest.mark.parametrize("text", ["user,state,hinges", "hinges,state,last,user", "state,hinges"])
def test_a_manifest_finds_the_state_of_the_user_behind_any_blocks(text: str) -> None:
    spec = ActivitySpec((DAY, 30 * DAY), (7 * DAY,), (AMOUNT,), 6500)
    manifest = BundleManifest("", "nano", 1, 1, 6500, "", {}, {}, 64, text, spec)
    before = [block for block in text.partition("user")[0].split(",") if block]
    readout = parse_readout(",".join(before)) if before else ()
    start = readout_width(readout, spec.width, 64)
    assert manifest.user_states == (slice(start, start + 64) if "user" in text else None)


def test_hinges_are_left_out_by_default_where_they_make_an_embedding_long() -> None:
    assert default_readout(0, 64) == PAPER
    assert default_readout(240, 64) == (Block.USER, Block.STATE, Block.HINGES)
    assert default_readout(241, 64) == (Block.USER, Block.STATE)


def test_without_events_the_last_state_is_that_of_the_user(model: PragmaModel) -> None:
    user, last = embed(model, histories([User("no events", items=[])]))[0].chunk(2)
    assert torch.equal(user, last)


def test_a_user_vector_does_not_depend_on_who_else_is_in_the_batch(model: PragmaModel) -> None:
    users = histories(ragged_users())
    together = embed(model, users)
    alone = torch.cat([embed(model, users.select(np.array([i]))) for i in range(len(users))])
    torch.testing.assert_close(together, alone, atol=CLOSE, rtol=0)


def test_encoding_distinct_events_once_gives_the_same_user_vectors(model: PragmaModel) -> None:
    twice = [replace(user, user_id=user.user_id + copy) for user in ragged_users() for copy in "ab"]
    users = histories(twice)
    assert len(pack(users, moments(len(users)), distinct=True).event_first) < len(users.ts)
    torch.testing.assert_close(
        embed(model, users, distinct=True), embed(model, users), atol=CLOSE, rtol=0
    )


def test_users_without_events_differ_by_profile_alone(model: PragmaModel) -> None:
    def only_profile(value: int) -> User:
        return User("no events", items=[Item([(SEGMENT, value, 0)])])

    rich, again, poor = embed(model, histories([only_profile(v) for v in (11, 11, 12)]))
    torch.testing.assert_close(rich, again)
    assert not torch.allclose(rich, poor, atol=1e-3)


def test_order_of_tokens_within_an_event_does_not_matter(model: PragmaModel) -> None:
    tokens = [(SOURCE, 10, 0), (SHOP, 20, 0), (SEGMENT, 30, 0)]
    forward, backward = (User("a", [Event(CUT - DAY, order)]) for order in (tokens, tokens[::-1]))
    one, other = embed(model, histories([forward, backward]))
    torch.testing.assert_close(one, other, atol=CLOSE, rtol=0)


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ("hour of day", User("b", [Event(CUT - DAY + 3600, [(SHOP, 20, 0)])])),
        ("value", User("b", [Event(CUT - DAY, [(SHOP, 21, 0)])])),
        ("key", User("b", [Event(CUT - DAY, [(SOURCE, 20, 0)])])),
        ("position", User("b", [Event(CUT - DAY, [(SHOP, 20, 1)])])),
        ("a second event", User("b", [Event(CUT - DAY, [(SHOP, 20, 0)])] * 2)),
    ],
)
def test_what_moves_a_user_vector(model: PragmaModel, change: str, other: User) -> None:
    first, second = embed(model, histories([User("a", [Event(CUT - DAY, [(SHOP, 20, 0)])]), other]))
    assert not torch.allclose(first, second, atol=1e-3), change


def test_the_age_of_a_milestone_moves_a_user_vector(model: PragmaModel) -> None:
    young, old = (
        User("a", items=[Item([(SEGMENT, 11, 0)]), Item([(SHOP, 20, 0)], CUT - age)])
        for age in (DAY, 400 * DAY)
    )
    one, other = embed(model, histories([young, old]))
    assert not torch.allclose(one, other, atol=1e-3)


def test_rotary_products_depend_on_differences_of_time_alone() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(2, 4, 1, HEAD_WIDTH)
    times = torch.tensor([0.0, 3.5, 40.0, 126.0])

    def products(shift: float) -> Tensor:
        rotation = Rotation.at(times + shift)
        return torch.einsum("ihk,jhk->ij", rotation.turn(q), rotation.turn(k))

    torch.testing.assert_close(products(0.0), products(17.25), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(products(0.0), q[:, 0] @ k[:, 0].T, atol=0.1)


def test_an_untrained_model_leans_towards_values_that_the_user_had_elsewhere() -> None:
    # A hundred users with one shop each; the shop of the last event is hidden.
    shops = torch.arange(100) % 20 + 20
    users = [
        User(f"user {number}", [Event(CUT - DAY * age, [(SHOP, value, 0)]) for age, value in days])
        for number, shop in enumerate(shops.tolist())
        for days in [((3, shop), (2, shop), (1, MASK))]
    ]
    batch = Batch.of(pack(histories(users), moments(len(users)), distinct=False))
    hidden = (batch.events.event_tokens[:, 1] == MASK).nonzero()[:, 0]
    torch.manual_seed(0)
    model = PragmaModel(TWO_HEADS, VOCABULARY_SIZE).eval()
    with torch.no_grad():
        scores = model(batch, hidden).guesses @ model.embedding.table.weight[20:40].T
    own = scores.gather(1, shops[:, None] - 20)[:, 0]
    assert (own > scores.mean(1)).float().mean() > 0.7


@pytest.mark.parametrize(("name", "millions"), [("small", 10), ("medium", 100), ("large", 1000)])
def test_parameter_counts_are_the_papers(name: str, millions: int) -> None:
    with torch.device("meta"):
        model = PragmaModel(SIZES[name], vocabulary_size=28_000)
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{name}: {count:,} parameters")
    assert count == pytest.approx(millions * 1e6, rel=0.1)


def test_an_unknown_size_is_refused_with_those_that_exist() -> None:
    with pytest.raises(PragmaError, match=r"(?s)'huge'.*nano, small, medium, large"):
        size_of("huge")
