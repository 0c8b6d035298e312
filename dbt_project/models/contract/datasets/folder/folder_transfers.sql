-- Without a file there are no transfers.
{% if has_contract_file('transfers') -%}
{%- set types = column_types(contract_file('transfers')) -%}
select
    from_user::varchar as from_user,
    to_user::varchar as to_user,
    {{ utc('ts', types['ts']) }} as ts,
    amount::double as amount
from {{ contract_file('transfers') }}
{%- else -%}
select
    null::varchar as from_user,
    null::varchar as to_user,
    null::timestamp as ts,
    null::double as amount
where false
{%- endif %}
