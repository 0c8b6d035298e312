"""Every attention kernel gives the same numbers, and so does every way of running the layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from histories_fixture import VOCABULARY_SIZE, User, histories, moments, ragged_users
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pragma_model.model.attention.base import Attention, Kernel, Rows
from pragma_model.model.attention.gpu import has_flash_package
from pragma_model.model.attention.kernels import ARRANGE, available, build_attention, select_kernel
from pragma_model.model.inputs import Batch
from pragma_model.model.layers import Dropout
from pragma_model.model.model import PragmaModel
from pragma_model.model.sizes import HEAD_WIDTH, ModelSize
from pragma_model.training.masking import mask_values
from pragma_model.training.objective import value_loss
from pragma_model.training.settings import MaskRates
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.packing import Layout, pack

HEADS = 2
TWO_LAYERS = ModelSize("two layers", HEADS * HEAD_WIDTH, 2, 2, 2)
CPU, GPU = torch.device("cpu"), torch.device("cuda")

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
needs_flash = pytest.mark.skipif(not has_flash_package(), reason="flash-attn is not installed")

row_lengths = st.lists(st.integers(1, 90) | st.integers(1, 6), min_size=1, max_size=12)


def rows_of(lengths: list[int], device: torch.device = CPU) -> Rows:
    layout = Layout.of(np.array(lengths))
    tensors = (layout.pad, layout.mask, layout.unpad, np.cumsum([0, *lengths[:-1]]))
    return Rows(*(torch.from_numpy(array).to(device) for array in tensors))


def plain(q: Tensor, k: Tensor, v: Tensor, lengths: list[int]) -> Tensor:
    """One row and one head at a time."""
    out, start = torch.empty_like(q), 0
    for length in lengths:
        row = slice(start, start + length)
        for head in range(q.shape[1]):
            scores = q[row, head] @ k[row, head].T / HEAD_WIDTH**0.5
            out[row, head] = scores.softmax(1) @ v[row, head]
        start += length
    return out


def run(attention: Attention, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """All states in packed order, and those of each row's first and last token, [R, 2, H, K]."""
    arranged = [attention.arranged(tensor) for tensor in (q, k, v)]
    everything = attention.places(torch.arange(len(q), device=q.device))
    states = attention.attend(*arranged).index_select(0, everything)
    return states, attention.attend_queries(arranged[0][attention.ends], *arranged[1:])


def ends_of(lengths: list[int]) -> Tensor:
    """Each row's first and last token, [R, 2]."""
    after = torch.tensor(lengths).cumsum(0)
    return torch.stack([after - torch.tensor(lengths), after - 1], dim=1)


def check(
    kernel: Kernel, lengths: list[int], device: torch.device, kind: torch.dtype, atol: float
) -> None:
    """States and gradients of a kernel against the plain loop."""
    torch.manual_seed(sum(lengths))
    q, k, v, grad = torch.randn(4, sum(lengths), HEADS, HEAD_WIDTH, device=device).unbind()
    given_, expected_ = ([t.clone().requires_grad_() for t in (q, k, v)] for _ in range(2))
    expected = plain(*expected_, lengths)
    rows = rows_of(lengths, device)
    found, ends = run(ARRANGE[kernel](rows), *(t.to(kind) for t in given_))
    torch.testing.assert_close(found.float(), expected, atol=atol, rtol=0)
    torch.testing.assert_close(ends.float(), expected[ends_of(lengths)], atol=atol, rtol=0)
    gradients = (
        torch.autograd.grad(out, of, grad)
        for out, of in ((found.float(), given_), (expected, expected_))
    )
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=4 * atol, rtol=0)


@pytest.mark.parametrize("kernel", available(CPU))
@given(lengths=row_lengths)
@settings(max_examples=25, deadline=None)
def test_kernels_of_a_cpu_equal_plain_attention(kernel: Kernel, lengths: list[int]) -> None:
    check(kernel, lengths, CPU, torch.float32, atol=1e-5)


@given(lengths=row_lengths)
@settings(max_examples=10, deadline=None)
def test_the_grouped_kernel_in_bfloat16_is_as_near_as_bfloat16_is(lengths: list[int]) -> None:
    check(Kernel.GROUPED, lengths, CPU, torch.bfloat16, atol=0.04)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@given(lengths=row_lengths)
@settings(max_examples=5, deadline=None)
def test_flex_attention_reads_the_rows_as_the_others_do(lengths: list[int]) -> None:
    # On a CPU it has no backward pass; the gradients are checked on a GPU.
    q, k, v = torch.randn(3, sum(lengths), HEADS, HEAD_WIDTH)
    rows = rows_of(lengths)
    found, ends = run(ARRANGE[Kernel.FLEX](rows), q, k, v)
    expected = plain(q, k, v, lengths)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(ends, expected[ends_of(lengths)], atol=1e-5, rtol=0)


@needs_gpu
@pytest.mark.parametrize(
    ("kernel", "kind", "atol"),
    [
        (Kernel.VARLEN, torch.bfloat16, 0.04),
        pytest.param(Kernel.FLASH, torch.bfloat16, 0.04, marks=needs_flash),
        (Kernel.FLEX, torch.float32, 1e-3),
        (Kernel.PADDED, torch.float32, 1e-3),
    ],
)
@pytest.mark.parametrize("lengths", [[1], [1, 1, 1], [3, 25, 1, 130], [7] * 40])
def test_kernels_of_a_gpu_equal_plain_attention(
    kernel: Kernel, kind: torch.dtype, atol: float, lengths: list[int]
) -> None:
    check(kernel, lengths, GPU, kind, atol)


@pytest.mark.parametrize("kernel", [Kernel.PADDED, Kernel.GROUPED, Kernel.FLEX])
def test_no_row_at_all_is_no_trouble(kernel: Kernel) -> None:
    nothing = torch.zeros(0, HEADS, HEAD_WIDTH)
    rows = Rows(
        torch.zeros(0, 1, dtype=torch.int64),
        torch.zeros(0, 1, dtype=torch.bool),
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, dtype=torch.int64),
    )
    states, ends = run(ARRANGE[kernel](rows), nothing, nothing, nothing)
    assert (states.shape, ends.shape) == (nothing.shape, (0, 2, HEADS, HEAD_WIDTH))


# --- the model, whatever the kernel ---


def batch_of(users: list[User]) -> Batch:
    return Batch.of(pack(histories(users), moments(len(users)), distinct=False))


@pytest.fixture
def model() -> PragmaModel:
    torch.manual_seed(5)
    return PragmaModel(TWO_LAYERS, VOCABULARY_SIZE).eval()


def loss_and_gradients(model: PragmaModel) -> tuple[Tensor, list[Tensor]]:
    """Of the hidden values of ragged users: no event, one, many."""
    masked = mask_values(batch_of(ragged_users()), MaskRates(), torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    guesses = model(masked.batch, masked.targets).guesses
    loss = value_loss(guesses, model.embedding.table.weight, masked.values, 0.1).loss
    return loss, list(torch.autograd.grad(loss, tuple(model.parameters())))


def test_the_loss_and_its_gradients_are_those_of_any_kernel(model: PragmaModel) -> None:
    (loss, gradients), (other_loss, others) = (
        (model.attend_with(kernel), loss_and_gradients(model))[1]
        for kernel in (Kernel.GROUPED, Kernel.PADDED)
    )
    torch.testing.assert_close(loss, other_loss, atol=1e-5, rtol=0)
    for one, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_recomputing_layers_gives_equal_gradients(dropout: float) -> None:
    torch.manual_seed(5)
    model = PragmaModel(replace(TWO_LAYERS, dropout=dropout), VOCABULARY_SIZE).train()
    loss, gradients = loss_and_gradients(model)
    model.recompute()
    again, others = loss_and_gradients(model)
    assert torch.equal(loss, again)
    for one, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_recomputing_keeps_less(model: PragmaModel) -> None:
    def kept() -> int:
        sizes: list[int] = []

        def count(tensor: Tensor) -> Tensor:
            sizes.append(tensor.nbytes)
            return tensor

        def same(tensor: Tensor) -> Tensor:
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, same):
            model(batch_of(ragged_users()))
        return sum(sizes)

    everything = kept()
    model.recompute()
    assert kept() < everything / 3


def test_a_forward_in_bfloat16_stays_close(model: PragmaModel) -> None:
    batch = batch_of(ragged_users())
    with torch.no_grad():
        exact = model(batch).vectors
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(batch).vectors
    assert not torch.equal(exact, rounded.float())
    assert float(nn.functional.cosine_similarity(exact, rounded.float()).min()) > 0.999


def test_under_autocast_the_loss_stays_in_single_precision(model: PragmaModel) -> None:
    masked = mask_values(batch_of(ragged_users()), MaskRates(), torch.Generator().manual_seed(1))
    table = model.embedding.table.weight
    with torch.autocast("cpu", torch.bfloat16):
        guesses = model(masked.batch, masked.targets).guesses
        found = value_loss(guesses, table, masked.values, 0.1)
        assert guesses.dtype is torch.bfloat16
    assert found.losses.dtype is torch.float32
    expected = nn.functional.cross_entropy(
        guesses.float() @ table.T, masked.values, label_smoothing=0.1
    )
    torch.testing.assert_close(found.loss, expected, atol=1e-6, rtol=1e-6)


def test_the_last_layer_gives_the_states_that_are_asked_for(model: PragmaModel) -> None:
    inputs = batch_of(ragged_users()).events
    x = model.embedding(inputs.event_tokens)
    everything = model.event_encoder(x, inputs.rows, asked=torch.arange(len(x)))
    some = torch.tensor([7, 0, 3, 3])
    torch.testing.assert_close(
        model.event_encoder(x, inputs.rows, asked=some), everything[some], atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        model.event_encoder(x, inputs.rows), everything[inputs.event_first], atol=1e-5, rtol=0
    )


# --- which kernel ---


def test_a_cpu_takes_the_grouped_kernel_and_an_export_the_padded_one() -> None:
    rows = rows_of([2, 3])
    assert isinstance(build_attention(rows), type(ARRANGE[Kernel.GROUPED](rows)))
    assert select_kernel("auto", CPU) is Kernel.GROUPED
    assert select_kernel("padded", CPU) is Kernel.PADDED


@pytest.mark.parametrize(
    ("name", "said"),
    [("fast", "no attention kernel 'fast'"), ("varlen", "'varlen' does not train on cpu")],
)
def test_a_kernel_that_cannot_run_is_refused_with_those_that_can(name: str, said: str) -> None:
    with pytest.raises(PragmaError, match=rf"(?s){said}.*one of .*padded"):
        select_kernel(name, CPU)


@needs_gpu
def test_on_a_gpu_the_fastest_kernel_is_measured() -> None:
    assert select_kernel("auto", GPU, [rows_of([9] * 500, GPU)]) in available(GPU)


# --- dropout ---


@pytest.mark.parametrize("shape", [(5,), (333, 64)])
def test_dropout_keeps_the_shape_and_the_seed(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    torch.manual_seed(3)
    first = Dropout(0.1)(x)
    torch.manual_seed(3)
    assert torch.equal(first, Dropout(0.1)(x))
    assert first.shape == x.shape


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    x = torch.ones(200, 1000, requires_grad=True)
    out = Dropout(0.1)(x)
    dropped = float((out == 0).float().mean())
    assert dropped == pytest.approx(0.1, abs=5 * (0.09 / 200_000) ** 0.5)
    assert float(out.detach().mean()) == pytest.approx(1.0, abs=0.005)
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, out.detach())


def test_dropout_does_nothing_in_evaluation() -> None:
    x = torch.randn(10)
    assert torch.equal(Dropout(0.5).eval()(x), x)
