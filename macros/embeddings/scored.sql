{#-
    A table of vectors that is filled in batches, each in its own transaction, so that a batch bounds the memory and a
    killed build resumes after the last complete batch. The model's SQL scores the rows of `stale_embeddings` in the batch
    `getvariable('batch')`; see docs/decisions/embeddings.md.
-#}
{% materialization scored, adapter='duckdb' %}
    {%- set current, due = current_model(), ref('stale_embeddings') -%}
    {%- do _check_width(current) -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and (not existing.is_table or _another_width(existing, current)) -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('main', auto_begin=True) -%}
        create table if not exists {{ this }} (
            {%- for column in model.columns.values() -%}
            {{ column.name }} {{ column.data_type }}{{ ', ' if not loop.last }}
            {%- endfor -%}
        )
    {%- endcall -%}
    {%- do adapter.commit() -%}
    {%- set batches = _announce(due, current) if current else 0 -%}
    {%- do get_assert_columns_equivalent(sql) -%}
    {%- for batch in range(batches) -%}
        {%- call statement('batch', auto_begin=True) -%}
            set variable batch = {{ batch }};
            {{ forget_due(this, due, current.id) }}
            insert into {{ this }} by name {{ sql }};
            {{ mark_scored(due, current.id) }}
        {%- endcall -%}
        {%- do adapter.commit() -%}
        {%- do log('  vectors: batch ' ~ (batch + 1) ~ ' of ' ~ batches, info=batches > 1) -%}
    {%- endfor -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmaterialization %}

{#- Print how much is to be scored; returns the number of batches. -#}
{% macro _announce(due, current) -%}
    {%- set moments, users, batches = run_query(
        'select count(*), count(distinct user_id), coalesce(max(batch) + 1, 0) from ' ~ due
    ).rows[0] -%}
    {%- do log(
        '  vectors of model ' ~ current.id ~ ': ' ~ '{:,}'.format(users) ~ ' users to score, at '
        ~ '{:,}'.format(moments) ~ ' moments', info=true
    ) -%}
    {{ return(batches | int) }}
{%- endmacro %}

{#- Whether the table holds vectors of another width, and is empty or to be fully refreshed, so that it may be dropped. -#}
{% macro _another_width(table, current) -%}
    {%- set type = _embedding_type(table) -%}
    {%- if type == 'FLOAT[' ~ var('embedding_size') ~ ']' -%} {{ return(false) }} {%- endif -%}
    {%- set held = run_query('select model_id, count(*) from ' ~ table ~ ' group by model_id order by 2 desc').rows -%}
    {%- if held and not should_full_refresh() -%}
        {{ refuse(
            'vectors.user_embeddings holds ' ~ type ~ ' of ' ~ (held | length) ~ ' model' ~ ('s' if held | length > 1)
            ~ ' (' ~ held[0][0] ~ ', ' ~ held[0][1] ~ ' rows), but the current model'
            ~ (' ' ~ current.id if current) ~ ' gives FLOAT[' ~ var('embedding_size') ~ ']',
            'register a model of the same size, or make the table again without the old vectors: pragma build --select user_embeddings+ --full-refresh'
        ) }}
    {%- endif -%}
    {%- if held and current and current.tokenizer_hash != present_tokenizer_hash() -%}
        {{ refuse(
            'model ' ~ current.id ~ ' was trained on tokenizer ' ~ current.tokenizer_hash[:12]
            ~ ', but these tokens are of ' ~ present_tokenizer_hash()[:12],
            'train on the present tokens: pragma shards, pragma train, pragma register'
        ) }}
    {%- endif -%}
    {{ return(true) }}
{%- endmacro %}

{% macro _embedding_type(table) -%}
    {{ return(run_query(
        'select data_type from duckdb_columns() where database_name = current_database() and column_name = '
        ~ "'embedding' and schema_name = " ~ literal(table.schema) ~ ' and table_name = ' ~ literal(table.identifier)
    ).rows[0][0]) }}
{%- endmacro %}

{#- `pragma build` sets the var from the current model; with plain dbt, the user sets it. -#}
{% macro _check_width(current) -%}
    {%- if current and current.size != var('embedding_size') | int -%}
        {{ refuse(
            'model ' ~ current.id ~ ' gives vectors of ' ~ current.size ~ ' numbers, but the var embedding_size is '
            ~ var('embedding_size'), 'pragma build, or dbt build --vars "embedding_size: ' ~ current.size ~ '"'
        ) }}
    {%- endif -%}
{%- endmacro %}
