{#- A file without the column `label`, `user_id` or a moment is not a label file: it is skipped, with a note. -#}
{% macro label_files() -%}
    {%- set files = [] -%}
    {%- set of_all_tasks = contract_paths('labels.parquet') -%}
    {%- for path in of_all_tasks + contract_paths('labels/**/*.parquet') -%}
        {%- set types = column_types(parquet_file(path)) -%}
        {%- set moment = 'eval_ts' if 'eval_ts' in types else 'observed_through' -%}
        {%- set name = path.split('/labels/')[-1].split('/')[0] | replace('.parquet', '') -%}
        {%- set task = 'task' if path in of_all_tasks else literal(name) -%}
        {%- if 'user_id' in types and moment in types and 'label' in types -%}
            {%- do files.append({'path': path, 'task': task, 'moment': utc(moment, types[moment]), 'split': 'split' if 'split' in types else 'null'}) -%}
        {%- else -%}
            {%- do log(path ~ ' is not read: it lacks user_id, label, or eval_ts (or observed_through)', info=True) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(files) }}
{%- endmacro %}
