{%- set types = column_types(contract_file('events')) -%}
select
    user_id::varchar as user_id,
    {{ utc('ts', types['ts']) }} as ts,
    source::varchar as source,
    fields::map (varchar, varchar) as fields,
    {% if 'event_id' in types %}event_id{% else %}null{% endif %}::varchar as event_id,
    filename as file
from {{ contract_file('events') }}
