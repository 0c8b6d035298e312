"""Settings that are not given: from a checkpoint, from the hardware, or from the shards' size."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from pragma_model.model.sizes import ModelSize
from pragma_model.options import flag_of
from pragma_model.training.checkpoint import begun_settings
from pragma_model.training.settings import SMALLEST_BUDGET, Precision, TrainSettings
from pragma_sql.formats.shards import ShardManifest, Shards

PASSES = 4
"""Passes over the corpus under `--auto`, about those of the paper's two days on 16 H100."""

MIN_STEPS = 200
STEP_TOKENS = 16_384
"""Tokens per step that `--auto` aims at, and `WARM_UP_STEPS`: the paper gives neither, and these
are what others use for this model."""

WARM_UP_STEPS = 500
STEP_USERS = 16
"""Users per step that `--auto` aims at by the length of windows: with fewer, each step unlearns
those of the last (docs/LOG.md)."""

SAVED_WIDTHS = 34
"""Numbers per token and unit of width that a layer keeps for the backward pass, about: norms,
queries, keys and values before and after padding, scores, and two states of the feed-forward."""

MAX_MEMORY_SHARE = 0.5
"""Share of the free memory that a batch may take; the rest is for gradients, copies, fragments."""


def resolve_settings(
    given: Mapping[str, object], shards: Shards, begun: Path | None, auto: bool
) -> tuple[TrainSettings, list[str]]:
    """The settings of a run.

    Args:
        given: settings that were asked for, by name; `precision` may be `auto`.
        shards: the shards to train on.
        begun: folder of a run that is resumed, whose settings are the defaults.
        auto: choose settings that are not given by the shards and the hardware.

    Returns:
        The settings, and the reasons for them, a line each.
    """
    known = {name: value for name, value in given.items() if (name, value) != ("precision", "auto")}
    if begun is not None:
        return begun_settings(begun).having(known), []
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    defaults = {"precision": best_precision(), "accumulation": processes}
    settings = TrainSettings().having({**defaults, **known})
    if not auto:
        return settings, []
    reasons = []
    for name, value, why in _fit_to_memory(settings, shards.manifest, processes, known):
        settings = settings.having({name: value})
        reasons.append(f"{flag_of(TrainSettings, name)} {value:,}: {why}")
    return settings, reasons


def best_precision() -> Precision:
    """bf16 if the hardware multiplies in it: a GPU, or a CPU with AMX or AVX512-BF16."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    able = torch.cpu.get_capabilities()
    return "bf16" if able.get("amx_bf16") or able.get("avx512_bf16") else "fp32"


def _fit_to_memory(
    settings: TrainSettings, manifest: ShardManifest, processes: int, known: Mapping[str, object]
) -> Iterator[tuple[str, int | float, str]]:
    """Settings that were not given, with their values and the reason for each."""
    size = settings.model_size
    budget = settings.budget
    if "budget" not in known:
        token, free = bytes_a_token(size), free_memory()
        weights = 16 * (12 * size.width**2 * _layers(size) + manifest.vocabulary_size * size.width)
        fitting = max(SMALLEST_BUDGET, int((MAX_MEMORY_SHARE * free - weights) / token))
        budget = min(STEP_TOKENS, 2 ** (fitting.bit_length() - 1))
        why = f"{free / 1e9:.1f} GB are free, and a token takes about {token / 1e3:.0f} kB"
        yield "budget", budget, f"{why}; no more than {STEP_TOKENS:,} a step are needed"
    accumulation = settings.accumulation
    if "accumulation" not in known:
        accumulation = processes * max(1, -(-STEP_TOKENS // (budget * processes)))
        yield (
            "accumulation",
            accumulation,
            f"{STEP_TOKENS:,} tokens a step or more, shared by {processes} "
            f"process{'es' if processes > 1 else ''}",
        )
    if "window" not in known:
        events, tokens = manifest.count("events", "train"), manifest.count("tokens", "train")
        fitting = round(budget * accumulation / STEP_USERS * events / max(1, events + tokens))
        window = min(max(TrainSettings.window, fitting), manifest.max_events)
        yield (
            "window",
            window,
            f"{STEP_USERS} users a step, but {TrainSettings.window} events at least",
        )
    steps = settings.steps
    if "steps" not in known:
        tokens = manifest.count("tokens", "train")
        steps = max(MIN_STEPS, round(PASSES * tokens / (budget * accumulation)))
        yield "steps", steps, f"{PASSES} passes over {tokens:,} tokens, but {MIN_STEPS} at least"
    if "warm_up" not in known:
        share = round(min(0.1, WARM_UP_STEPS / steps), 6)
        yield "warm_up", share, f"of the steps: a tenth, but {WARM_UP_STEPS} at most"


def bytes_a_token(size: ModelSize) -> int:
    """About how many bytes a token of the budget needs in the event encoder, forward and back."""
    return 4 * SAVED_WIDTHS * size.width * (size.event_layers + 1)


def free_memory() -> int:
    """The free memory of the device in bytes."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _layers(size: ModelSize) -> int:
    return size.profile_layers + size.event_layers + size.history_layers
