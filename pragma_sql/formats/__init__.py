"""The formats that all rooms share: contract, histories, shards, bundle; packing, errors."""
