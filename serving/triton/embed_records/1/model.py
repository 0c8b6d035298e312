"""`embed_records`: JSON records in, user vectors out, as SQL's embed_records gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.packing import Float
from pragma_sql.serving.online import RecordScorer
from pragma_sql.serving.token_requests import Tensors
from pragma_sql.serving.triton_backend import Served


class TritonPythonModel:
    """Triton makes one an instance, in a process of its own."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load the bundle, and use it once: a model is ready when it is warm."""
        self.served = Served(args)
        self.scorer = RecordScorer(self.served.bundle, calls=self.served.calls)
        self.scorer.embed_records(['{"events": []}'])

    def execute(self, requests: Sequence[object]) -> list[object]:
        """Answer the requests that arrived together."""
        return self.served.execute(requests, self.embedded)

    def embedded(self, requests: Sequence[Tensors]) -> list[Float]:
        """Vectors of each request, [n, d]: all their records in one pass."""
        rows = [request["records_json"].ravel().tolist() for request in requests]
        vectors = self.scorer.embed_records([text_of(record) for row in rows for record in row])
        return np.split(vectors, np.cumsum([len(row) for row in rows])[:-1])


def text_of(record: bytes) -> str:
    """A record as text."""
    try:
        return record.decode()
    except UnicodeDecodeError:
        raise PragmaError("a record is not UTF-8", "send JSON in UTF-8") from None
