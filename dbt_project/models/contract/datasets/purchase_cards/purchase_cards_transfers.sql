-- Purchase cards pay merchants, never each other.
select
    null::varchar as from_user,
    null::varchar as to_user,
    null::timestamp as ts,
    null::double as amount
where false
