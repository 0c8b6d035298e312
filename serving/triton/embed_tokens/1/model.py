"""`embed_tokens`: rows of tokens.user_tokens in, user vectors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pragma_sql.formats.packing import Float
from pragma_sql.scoring.scorer import Scorer
from pragma_sql.serving.token_requests import Tensors, embed_tokens
from pragma_sql.serving.triton_backend import Served


class TritonPythonModel:
    """Triton makes one an instance, in a process of its own."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the bundle."""
        self.served = Served(args)
        self.scorer = Scorer(self.served.bundle, calls=self.served.calls)

    def execute(self, requests: Sequence[object]) -> list[object]:
        """Answer the requests that arrived together."""
        return self.served.execute(requests, self.embedded)

    def embedded(self, requests: Sequence[Tensors]) -> list[Float]:
        """Vectors of each request, [n, d]."""
        return embed_tokens(requests, self.scorer)
