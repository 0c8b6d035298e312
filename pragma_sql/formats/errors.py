"""The errors that a user is meant to read, and helpers for their wording."""


class PragmaError(Exception):
    r"""Something the user can fix: `what` went wrong and where, and the `next_step` to take.

    >>> str(PragmaError("shards/: no manifest.json", "run `pragma shards`"))
    'shards/: no manifest.json\nnext: run `pragma shards`'
    """

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(f"{what}\nnext: {next_step}" if next_step else what)
        self.what = what
        self.next_step = next_step


def counted(number: int, thing: str) -> str:
    """A number with its noun, whose plural ends in s.

    >>> counted(1, "row"), counted(0, "row"), counted(1204311, "file")
    ('1 row', '0 rows', '1,204,311 files')
    """
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
