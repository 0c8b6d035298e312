{%- set types = column_types(contract_file('profiles')) -%}
select
    user_id::varchar as user_id,
    {{ utc('as_of', types['as_of']) }} as as_of,
    attributes::map (varchar, varchar) as attributes,
    {% if 'lifelong' in types -%}
    list_transform(
        lifelong,
        lambda milestone: {'key': milestone.key, 'ts': {{ utc('milestone.ts', types['lifelong']) }}}
    )
    {%- else %}null{% endif %}::struct(key varchar, ts timestamp)[] as lifelong
from {{ contract_file('profiles') }}
