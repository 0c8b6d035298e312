{#-
    What a relation of vectors was made from: `vectors.made_from` has a row for `user_embeddings` itself and for each relation
    that is made of it. One that says another model or another state than `user_embeddings` is out of date, and shows
    nothing. The file made_from.parquet beside the warehouse says the same to programs without DuckDB.
-#}
{% macro made_from() -%}
    {{ return(api.Relation.create(database=target.database, schema='vectors', identifier='made_from')) }}
{%- endmacro %}

{#- On run start. -#}
{% macro create_made_from() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run') -%}
    create schema if not exists vectors;
    create table if not exists {{ made_from() }} (relation varchar, model_id varchar, state ubigint, vectors bigint);
    {%- endif -%}
{%- endmacro %}

{#- After the vectors are made: which they are, by their content; it is looked at only where a batch or the number changed. -#}
{% macro keep_state(embeddings, model_id, batches) -%}
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

{#- After a relation is made: it is of the vectors as they are now. The file says so once all relations are made. -#}
{% macro keep_made_from(relation) -%}
    delete from {{ made_from() }} where relation = {{ literal(relation.identifier) }};
    insert into {{ made_from() }}
    select {{ literal(relation.identifier) }}, model_id, state, vectors from {{ made_from() }} where relation = 'user_embeddings'
{%- endmacro %}

{#-
    On run end, and not by each relation: those are made side by side, and none sees what another has not committed. Until
    then the file says that what was made of older vectors is out of date.
-#}
{% macro write_made_from() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run')
        and ['vectors', 'made_from'] in _tables(['vectors']) -%}
    {{ _write_made_from() }}
    {%- endif -%}
{%- endmacro %}

{% macro _write_made_from() -%}
    copy (select * from {{ made_from() }} order by relation) to {{ beside_warehouse_file('made_from.parquet') }} (format parquet)
{%- endmacro %}

{#- A condition: the relation is of the current model's vectors as they are. -#}
{% macro is_of_present_vectors(name) -%}
    exists (
        select 1
        from {{ made_from() }} as made
        inner join {{ made_from() }} as present on made.model_id = present.model_id and made.state = present.state
        inner join {{ api.Relation.create(database=target.database, schema='vectors', identifier='models') }} as models
            on made.model_id = models.model_id and models.is_current
        where made.relation = {{ literal(name) }} and present.relation = 'user_embeddings'
    )
{%- endmacro %}

{#- Of a file that is shown as a view: only what is of the present vectors. -#}
{% macro show_present_vectors(relation) -%}
    {{ show_own_file(relation) }}
    {%- if execute %}
    and {{ is_of_present_vectors(relation.identifier) }}
    {%- endif -%}
{%- endmacro %}

{#-
    A file beside the warehouse as a view: dbt's own takes the path for a pattern, and in a folder named `*` reads other
    warehouses' files, too. Where there are no rows, the file has one of nulls.
-#}
{% macro show_own_file(relation) -%}
    {%- if execute -%}
    create or replace view {{ relation }} as
    select * from read_parquet({{ beside_warehouse(relation.identifier ~ '.parquet') }})
    where model_id is not null
    {%- endif -%}
{%- endmacro %}
