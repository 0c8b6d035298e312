{#-
    What each relation of vectors was made from. `vectors.made_from` has a row for `user_embeddings` and for each relation
    of its layer that is built on it, `views.made_from` for those of the views. A relation whose model or state differs from
    that of `user_embeddings` is stale, and shows no rows.
    The file made_from.parquet beside the warehouse holds the same rows for programs without DuckDB.
-#}
{% macro made_from(layer='vectors') -%}
    {{ return(api.Relation.create(database=target.database, schema=layer, identifier='made_from')) }}
{%- endmacro %}

{#- On run start: create the tables. -#}
{% macro create_made_from() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') -%}
    {%- for layer in ('vectors', 'views') %}
    create schema if not exists {{ layer }};
    create table if not exists {{ made_from(layer) }} (relation varchar, model_id varchar, state ubigint, vectors bigint);
    {%- endfor %}
    {%- endif -%}
{%- endmacro %}

{#- After scoring: store a checksum of the vectors; it is computed only if a batch was scored or their number changed. -#}
{% macro keep_state(embeddings) -%}
    {%- set current = current_model() -%}
    {%- if current -%} {%- do _keep_state(embeddings, current.id) -%} {%- endif -%}
{%- endmacro %}

{% macro _keep_state(embeddings, model_id) -%}
    {%- set batches = run_query('select 1 from ' ~ ref('stale_embeddings') ~ ' limit 1').rows -%}
    {%- set own = ' where model_id = ' ~ literal(model_id) -%}
    {%- set vectors = run_query('select count(*) from ' ~ embeddings ~ own).rows[0][0] -%}
    {%- set known = run_query('select vectors from ' ~ made_from() ~ own ~ " and relation = 'user_embeddings'").rows -%}
    {%- if batches or not known or known[0][0] != vectors -%}
        {%- do run_query("delete from " ~ made_from() ~ " where relation = 'user_embeddings'") -%}
        {%- do run_query(
            'insert into ' ~ made_from() ~ " select 'user_embeddings', " ~ literal(model_id) ~ ', coalesce('
            ~ checksum_of(['user_id', 'as_of', 'embedding']) ~ ', 0), count(*) from ' ~ embeddings ~ own
        ) -%}
        {%- do run_query(_write_made_from()) -%}
    {%- endif -%}
{%- endmacro %}

{#- After a relation is built: record that it is of the present vectors. The file follows once all relations are built. -#}
{% macro keep_made_from(relation) -%}
    delete from {{ made_from(relation.schema) }} where relation = {{ literal(relation.identifier) }};
    insert into {{ made_from(relation.schema) }}
    select {{ literal(relation.identifier) }}, model_id, state, vectors from {{ made_from() }} where relation = 'user_embeddings'
{%- endmacro %}

{#-
    On run end, and not after each relation: relations are built in parallel, and none sees what another has not committed.
    Until then the file marks relations of older vectors as stale.
-#}
{% macro write_made_from() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run')
        and ['vectors', 'made_from'] in _tables(['vectors']) -%}
    {{ _write_made_from() }}
    {%- endif -%}
{%- endmacro %}

{% macro _write_made_from() -%}
    copy (
        select * from {{ made_from() }} union all select * from {{ made_from('views') }} order by relation
    ) to {{ beside_warehouse_file('made_from.parquet') }} (format parquet)
{%- endmacro %}

{#- A condition that holds if the relation was built from the current model's present vectors. -#}
{% macro is_of_present_vectors(name, layer='vectors') -%}
    exists (
        select 1
        from {{ made_from(layer) }} as made
        inner join {{ made_from() }} as present on made.model_id = present.model_id and made.state = present.state
        inner join {{ api.Relation.create(database=target.database, schema='vectors', identifier='models') }} as models
            on made.model_id = models.model_id and models.is_current
        where made.relation = {{ literal(name) }} and present.relation = 'user_embeddings'
    )
{%- endmacro %}

{#- Show a file as a view that is empty unless the file is of the present vectors. -#}
{% macro show_present_vectors(relation) -%}
    {{ show_own_file(relation) }}
    {%- if execute %}
    and {{ is_of_present_vectors(relation.identifier, relation.schema) }}
    {%- endif -%}
{%- endmacro %}

{#-
    Show a file beside the warehouse as a view. dbt-duckdb's own view takes the path for a pattern, and in a folder named
    `*` would also read other warehouses' files. A file without rows holds one row of nulls, which the view leaves out.
-#}
{% macro show_own_file(relation) -%}
    {%- if execute -%}
    create or replace view {{ relation }} as
    select * from read_parquet({{ beside_warehouse(relation.identifier ~ '.parquet') }})
    where model_id is not null
    {%- endif -%}
{%- endmacro %}
