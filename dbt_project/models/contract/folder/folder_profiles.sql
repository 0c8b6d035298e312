select
    user_id::varchar as user_id,
    as_of::timestamp as as_of,
    attributes::map (varchar, varchar) as attributes,
    lifelong::struct(key varchar, ts timestamp)[] as lifelong
from {{ contract_file('profiles') }}
