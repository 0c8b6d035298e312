{{ config(
    materialized='incremental',
    incremental_strategy='partitions',
    on_schema_change='append_new_columns',
    pre_hook=["{{ '' if is_candidate() else refuse_part_of_events(this) }}", "{{ forget_stale(this) }}"],
    post_hook=[
        "{{ '' if is_candidate() else keep_partitions(this, ref('changed_partitions'), ref('new_events')) }}",
        "{{ '' if is_candidate() else keep_users(this, ref('new_events')) }}",
        "{{ '' if is_candidate() else mark_due(this) }}",
        "{{ '' if is_candidate() else mark_built('event_tokens') }}",
    ],
) }}

-- depends_on: {{ ref('changed_partitions') }}
{{ tokenize_events(tokenizer_spec(ref('tokenizer')), checked(arrived_events()), ref('texts')) }}
