-- Fails when the rows of tokens.event_tokens do not match the events of contract.events one to one.
{{ partitions_unlike_tokens(ref('_ingested'), tokens_relation('event_tokens'), contract_relation('event_partitions')) }}
