with

bpe as (
    select * from {{ ref('bpe') }}
),

pieces as (
    select unnest(map_entries(from_json(bpe -> '$.model.vocab', '"map(varchar, integer)"'))) as piece from bpe
),

final as (
    select
        piece.value as piece_id,
        piece.key as piece
    from pieces
)

select * from final
order by piece_id
