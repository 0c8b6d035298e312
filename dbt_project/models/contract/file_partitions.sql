{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ forget_changed_files(this) }}",
    post_hook="{{ keep_files() }}",
) }}

{%- set by_file = dataset_var() == 'folder' -%}
{%- set files = files_to_read() -%}

-- depends_on: {{ ref('source_files') }}
with

delivered as (
    select
        *,
        {% if by_file %}file{% else %}''{% endif %} as read_as
    from {{ ref(dataset_var() ~ '_events') if by_file else ref('delivered_events') }}
    {% if files is not none %}where {{ is_one_of('read_as', files) }}{% endif %}
),

final as (
    select
        read_as,
        {{ event_day('ts') }} as day,
        {{ event_bucket('user_id') }} as bucket,
        count(*) as events,
        {{ checksum_of(event_content()) }} as checksum
    from delivered
    group by all
)

select * from final
