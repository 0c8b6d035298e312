"""Moved to `pragma_sql.serving.token_requests`; older Triton folders name this place."""

from pragma_sql.serving.token_requests import Tensors, embed_tokens

__all__ = ["Tensors", "embed_tokens"]
