"""What is hidden, how much of it, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from histories_fixture import (
    CUT,
    DAY,
    SHOP,
    SOURCE,
    Event,
    User,
    histories,
    moments,
    ragged_users,
    regulars,
)
from torch import Tensor

from pragma_model.model.inputs import Batch
from pragma_model.training.masking import KINDS, MaskedBatch, mask_values
from pragma_model.training.settings import MaskRates
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.packing import EVT, MASK, UNK, pack

NOTHING = MaskRates(token=0, event=0, key=0, unknown=0)


def batch_of(users: list[User]) -> Batch:
    return Batch.of(pack(histories(users), moments(len(users)), distinct=False))


@pytest.fixture(scope="module")
def crowd() -> Batch:
    """400 users, 25 events each, 5 values an event: 50,000 values."""
    return batch_of(regulars(400, events=25))


def hide(batch: Batch, rates: MaskRates, seed: int = 0) -> MaskedBatch:
    return mask_values(batch, rates, torch.Generator().manual_seed(seed))


def hidden(batch: Batch, masked: MaskedBatch) -> Tensor:
    """Which values were changed, [400 users, 25 events, 5 values] of the crowd."""
    before, after = batch.events.event_tokens, masked.batch.events.event_tokens
    return (before != after)[before[:, 0] != EVT, 1].view(400, 25, 5)


def share(where: Tensor) -> float:
    return float(where.float().mean())


def test_a_single_rate_hides_its_share_of_values(crowd: Batch) -> None:
    # Bounds are five standard errors of 50,000 values, 10,000 events and 1,600 drawn keys.
    for rate, standard_error in (("token", 0.0016), ("event", 0.003), ("key", 0.0075)):
        rates = replace(NOTHING, **{rate: 0.10})
        assert share(hidden(crowd, hide(crowd, rates))) == pytest.approx(
            0.10, abs=5 * standard_error
        )


def test_tokens_events_and_keys_together_hide_31_percent(crowd: Batch) -> None:
    union = 1 - (1 - 0.15) * (1 - 0.10) * (1 - 0.10)
    assert union == pytest.approx(0.31, abs=0.002)
    assert share(hidden(crowd, hide(crowd, MaskRates()))) == pytest.approx(union, abs=0.025)


def test_an_event_is_hidden_whole_or_not_at_all(crowd: Batch) -> None:
    by_event = hidden(crowd, hide(crowd, replace(NOTHING, event=0.3)))
    assert 0 < share(by_event) < 1
    assert torch.equal(by_event.any(2), by_event.all(2))


def test_a_key_is_hidden_in_all_events_of_a_user_and_drawn_for_each_user(crowd: Batch) -> None:
    by_key = hidden(crowd, hide(crowd, replace(NOTHING, key=0.3)))
    assert torch.equal(by_key.any(1), by_key.all(1))
    text, more_text = by_key[:, 0, 3], by_key[:, 0, 4]
    assert torch.equal(text, more_text), "two values of one key go together"
    assert 0 < share(text) < 1, "some users hide their text, others do not"
    assert not torch.equal(text, by_key[:, 0, 1]), "another key is drawn by itself"


def test_a_tenth_of_what_is_hidden_becomes_unknown_and_is_no_target(crowd: Batch) -> None:
    masked = hide(crowd, replace(NOTHING, token=0.5, unknown=0.1))
    values = masked.batch.events.event_tokens[:, 1]
    unknown, hid = (values == UNK).sum(), hidden(crowd, masked).sum()
    assert float(unknown / hid) == pytest.approx(0.1, abs=0.01)
    assert (values[masked.targets] == MASK).all()
    assert len(masked.targets) + unknown == hid


def test_targets_are_the_values_that_were_there(crowd: Batch) -> None:
    masked = hide(crowd, MaskRates())
    assert torch.equal(masked.values, crowd.events.event_tokens[masked.targets, 1])


def test_a_target_knows_its_key_and_the_mask_that_hid_it(crowd: Batch) -> None:
    for kind in KINDS:
        masked = hide(crowd, replace(NOTHING, **{kind: 0.2}))
        assert set(masked.kinds.tolist()) == {KINDS.index(kind)}
        assert torch.equal(masked.keys, crowd.events.event_tokens[masked.targets, 0])


def test_of_several_masks_the_widest_counts(crowd: Batch) -> None:
    # By the rates: an event's mask always counts, a key's if no event's hid the value, and so on.
    masked = hide(crowd, MaskRates(unknown=0))
    expected = {"event": 0.10, "key": 0.90 * 0.10, "token": 0.90 * 0.90 * 0.15}
    counts = torch.bincount(masked.kinds, minlength=3) / 50_000
    for number, kind in enumerate(KINDS):
        assert float(counts[number]) == pytest.approx(expected[kind], abs=0.02)


def test_nothing_is_replaced_by_another_value(crowd: Batch) -> None:
    masked = hide(crowd, MaskRates())
    before, after = crowd.events.event_tokens, masked.batch.events.event_tokens
    assert set(after[before[:, 1] != after[:, 1], 1].tolist()) == {MASK, UNK}


def test_keys_positions_markers_and_profiles_stay(crowd: Batch) -> None:
    masked = hide(crowd, replace(NOTHING, token=0.99, key=0.99))
    before, after = crowd.events.event_tokens, masked.batch.events.event_tokens
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert (after[crowd.events.event_first, 1] == EVT).all()
    assert torch.equal(masked.batch.users.profile_tokens, crowd.users.profile_tokens)


def test_an_unknown_value_is_never_a_target() -> None:
    tokens = [(SOURCE, UNK, 0), (SHOP, 20, 0)]
    batch = batch_of([User("a", [Event(CUT - DAY, tokens)] * 100)])
    masked = hide(batch, replace(NOTHING, token=0.99))
    assert set(masked.values.tolist()) == {20}


def test_one_seed_hides_the_same_values_again_and_another_seed_others(crowd: Batch) -> None:
    first, again, other = (hide(crowd, MaskRates(), seed).targets for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_batch_that_was_given_is_left_as_it_was() -> None:
    batch = batch_of(ragged_users())
    before = batch.events.event_tokens.clone()
    hide(batch, MaskRates())
    assert torch.equal(batch.events.event_tokens, before)


def test_a_rate_that_is_no_share_is_refused() -> None:
    with pytest.raises(PragmaError, match=r"mask rate key is 1\.5"):
        MaskRates(key=1.5)
