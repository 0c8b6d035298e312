"""Old names of commands and options, which work for one more version, with a note."""

from __future__ import annotations

from collections.abc import Sequence

COMMANDS = {"map": "plot"}
OPTIONS = {
    "train": {
        "--budget": "--batch-tokens",
        "--accumulation": "--grad-accum",
        "--readers": "--num-workers",
        "--recompute": "--activation-checkpointing",
        "--no-recompute": "--no-activation-checkpointing",
    }
}


def rename_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words after `pragma` with present names, and a note for each old name.

    >>> rename_words(["map", "--picture", "a.png"])
    (['plot', '--picture', 'a.png'], ['note: `pragma map` is called `pragma plot` now'])
    >>> rename_words(["serve", "--triton", "demo", "--instances", "1"])[0]
    ['export-triton', 'demo', '--instances', '1']
    >>> rename_words(["train", "shards", "--budget=64"])[0]
    ['train', 'shards', '--batch-tokens=64']
    """
    if not words:
        return [], []
    command, rest = words[0], list(words[1:])
    notes = []
    if command in COMMANDS:
        notes.append(_note(f"pragma {command}", f"pragma {COMMANDS[command]}"))
        command = COMMANDS[command]
    if command == "serve" and any(word.partition("=")[0] == "--triton" for word in rest):
        notes.append(_note("pragma serve --triton", "pragma export-triton"))
        command = "export-triton"
        rest = [word.removeprefix("--triton=") for word in rest if word != "--triton"]
    options = OPTIONS.get(command, {})
    for at, word in enumerate(rest):
        name, equals, value = word.partition("=")
        if name in options:
            notes.append(_note(name, options[name]))
            rest[at] = f"{options[name]}{equals}{value}"
    return [command, *rest], notes


def _note(old: str, new: str) -> str:
    return f"note: `{old}` is called `{new}` now"
