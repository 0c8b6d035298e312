{#- The checksum is computed only if a batch was scored or the number of vectors changed. -#}
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
        {%- do run_query(copy_made_from()) -%}
    {%- endif -%}
{%- endmacro %}
