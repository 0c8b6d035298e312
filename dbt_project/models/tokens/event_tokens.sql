{{ config(
    materialized='incremental',
    incremental_strategy='partitions',
    on_schema_change='append_new_columns',
    pre_hook=["{{ '' if is_candidate() else refuse_part_of_events(this) }}", "{{ forget_stale(this) }}"],
) }}

-- The changed histories are found before the tokens that they differ from are replaced.
-- depends_on: {{ ref('changed_histories') }}
with

final as (
    select
        *,
        {{ tokenizer_id(literal(tokenizer_spec(ref('tokenizer')).tokenizer_hash)) }} as tokenizer
    from {{ ref('new_tokens') }}
)

select * from final
