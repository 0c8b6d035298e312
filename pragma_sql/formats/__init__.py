"""The formats that all packages share: contract, histories, shards, bundle; packing, errors."""
