-- Fails when tokens.event_tokens holds more, fewer or other rows than contract.events has events.
{{ partitions_unlike_tokens(ref('event_tokens'), ref('event_partitions')) }}
