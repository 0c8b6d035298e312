{{ config(materialized='arrivals') }}

{{ tokenize_events(tokenizer_spec(ref('tokenizer')), checked(arrived_events()), ref('texts')) }}
