"""Token histories to vectors: readers, engines, caches; no torch."""
