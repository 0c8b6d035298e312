{{ config(materialized='arrivals') }}

{{ tokenize_events(tokenizer_spec(ref('tokenizer')), checked_ref(arrived_events()), ref('text_tokens')) }}
