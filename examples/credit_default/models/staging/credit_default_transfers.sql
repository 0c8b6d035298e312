-- Made by `pragma init` from mapping.yml (4cc85cb16155, 4231e345dcf4); yours to edit.
select
    cast(null as text) as from_user,
    cast(null as text) as to_user,
    cast(null as timestamp) as ts,
    cast(null as double) as amount
where
    false
