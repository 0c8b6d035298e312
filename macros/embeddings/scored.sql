{#-
    A table of vectors that is filled in batches, each in its own transaction, so that a batch bounds the memory and a
    killed build resumes after the last complete batch. The model's SQL scores the rows of
    `due_embeddings` in the bucket `getvariable('bucket')`; see docs/decisions/embeddings.md.
-#}
{% materialization scored, adapter='duckdb' %}
    {%- set current = current_model() -%}
    {%- do _check_width(current) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and (not existing.is_table or _another_width(existing, current)) -%}
        {%- do adapter.drop_relation(existing) -%}
        {%- do run_query('delete from ' ~ scored_users()) -%}
    {%- elif should_full_refresh() -%}
        {%- do run_query('delete from ' ~ scored_users()) -%}
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
    {%- if current -%}
        {%- set batches = find_due(this, current.id) -%}
        {%- do get_assert_columns_equivalent(sql) -%}
        {%- for bucket in range(batches) -%}
            {%- call statement('batch', auto_begin=True) -%}
                set variable bucket = {{ bucket }};
                {{ forget_due(this, current.id) }}
                insert into {{ this }} by name {{ sql }};
                {{ mark_scored(current.id) }}
            {%- endcall -%}
            {%- do adapter.commit() -%}
            {%- do log('  vectors: batch ' ~ (bucket + 1) ~ ' of ' ~ batches, info=batches > 1) -%}
        {%- endfor -%}
        {%- call statement('tidy', auto_begin=True) -%} {{ forget_unasked(this, current.id, should_full_refresh()) }} {%- endcall -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
    {%- call statement('forget', auto_begin=True) -%} {{ forget_gone(this) }} {%- endcall -%}
    {%- do adapter.commit() -%}
    {%- if current -%} {%- do keep_state(this, current.id, batches) -%} {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

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
            'register a model of the same size, or make the table anew without the old vectors: pragma build --select user_embeddings+ --refit'
        ) }}
    {%- endif -%}
    {%- if held and current and current.tokenizer_hash != _tokenizer_hash() -%}
        {{ refuse(
            'model ' ~ current.id ~ ' was trained on tokenizer ' ~ current.tokenizer_hash[:12]
            ~ ', but these tokens are of ' ~ _tokenizer_hash()[:12],
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
