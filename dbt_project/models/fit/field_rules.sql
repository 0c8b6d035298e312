with

stats as (
    select
        *,
        coalesce(numbers / nullif(n - missing, 0), 0)::double as numeric_share
    from {{ ref('field_stats') }}
),

scored as (
    select
        key,
        question,
        sum(weight) as score,
        string_agg(why, ', ' order by weight desc, why asc) filter (where weight >= 1) as pro,
        string_agg(why, ', ' order by weight asc, why asc) filter (where weight <= -1) as contra
    from {{ ref('field_evidence') }}
    group by key, question
),

answered as (
    select
        stats.*,
        numbers.score > 0 as is_quantity,
        abs(numbers.score) < 2.5 as is_doubtful_number,
        case when numbers.score > 0 then numbers.pro else numbers.contra end as number_why,
        case when numbers.score > 0 then numbers.contra else numbers.pro end as number_doubt,
        case when texts.score > 0 then 'text' else 'category' end as no_quantity,
        case when texts.score > 0 then 'category' else 'text' end as other_of_it,
        abs(texts.score) < 1.5 as is_doubtful_text,
        case when texts.score > 0 then texts.pro else texts.contra end as text_why,
        case when texts.score > 0 then texts.contra else texts.pro end as text_doubt
    from stats
    left join scored as numbers on stats.key = numbers.key and numbers.question = 'number'
    left join scored as texts on stats.key = texts.key and texts.question = 'text'
),

doubted as (
    select
        *,
        case when is_quantity then 'numeric' else no_quantity end as kind,
        case
            when is_quantity and is_doubtful_number then no_quantity
            when is_doubtful_number then 'numeric'
            when is_quantity then null
            when numeric_share >= 0.9 and is_quantity is null then 'numeric'
            when is_doubtful_text then other_of_it
        end as otherwise
    from answered
),

final as (
    select
        key,
        kind,
        case
            when is_quantity then 'a quantity' || coalesce(' (' || number_why || ')', '')
            when not is_quantity then 'codes, no quantity' || coalesce(' (' || number_why || ')', '')
            when kind = 'text' then 'many distinct values' || coalesce(' (' || text_why || ')', '')
            else 'values that recur' || coalesce(' (' || text_why || ')', '')
        end as rule,
        otherwise,
        case
            when otherwise = 'numeric' and is_quantity is null
                then 'perhaps numeric: ' || {{ percent('numeric_share') }} || ' are numbers'
            when is_doubtful_number then 'perhaps ' || otherwise || ': ' || coalesce(number_doubt, 'little tells')
            else 'perhaps ' || otherwise || ': ' || coalesce(text_doubt, 'little tells')
        end as doubt,
        {{ percent('numeric_share') }} || ' of ' || {{ thousands('n - missing') }} || ' values are numbers, '
        || {{ thousands('distinct_values') }} || ' distinct'
        || case when missing > 0 then ', besides ' || {{ thousands('missing') }} || ' that say nothing' else '' end
            as figures,
        n,
        distinct_values,
        numeric_share,
        missing,
        unparsed
    from doubted
)

select * from final
order by key
