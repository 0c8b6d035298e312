{{ config(
    materialized='incremental',
    incremental_strategy='partitions',
    on_schema_change='append_new_columns',
    pre_hook=["{{ refuse_part_of_events(this) }}", "{{ forget_stale(this) }}"],
    post_hook=[
        "{{ keep_partitions(this, ref('changed_partitions'), ref('new_events')) }}",
        "{{ keep_users(this, ref('new_events')) }}",
        "{{ mark_due(this) }}",
        "{{ mark_built('event_tokens') }}",
    ],
) }}

-- depends_on: {{ ref('changed_partitions') }}
{{ tokenize_events(tokenizer_spec(ref('tokenizer')), checked('new_events'), ref('texts')) }}
