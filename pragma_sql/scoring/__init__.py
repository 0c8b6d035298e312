"""From token histories to vectors: readers, engines and caches; no torch."""
