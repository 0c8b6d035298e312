{%- set columns = column_names(contract_file('events')) -%}
select
    user_id::varchar as user_id,
    ts::timestamp as ts,
    source::varchar as source,
    fields::map (varchar, varchar) as fields,
    {% if 'event_id' in columns %}event_id{% else %}null{% endif %}::varchar as event_id
from {{ contract_file('events') }}
