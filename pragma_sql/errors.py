"""The one family of errors that a user is meant to read."""


class PragmaError(Exception):
    r"""Something the user can mend: `what` went wrong and where, and the `next_step` to take.

    >>> str(PragmaError("shards/: no manifest.json", "run `pragma shards`"))
    'shards/: no manifest.json\nnext: run `pragma shards`'
    """

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(f"{what}\nnext: {next_step}" if next_step else what)
        self.what = what
        self.next_step = next_step
