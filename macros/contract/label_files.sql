{#-
    A file below `labels/` without a user, a moment or a label is not a label file: it is skipped, with a note. The check
    of types that `pragma build` makes before dbt runs passes over the same files, and leaves the note to this macro.
-#}
{% macro label_files() -%}
    {%- set files = [] -%}
    {%- set of_all_tasks = contract_paths('labels.parquet') -%}
    {%- for path in of_all_tasks + contract_paths('labels/**/*.parquet') -%}
        {%- set types = column_types(parquet_file(path)) -%}
        {%- set has_task = path in of_all_tasks -%}
        {%- set moment = 'observed_through' if 'observed_through' in types and 'eval_ts' not in types else 'eval_ts' -%}
        {%- set wanted = (['task'] if has_task else []) + ['user_id', moment, 'label'] -%}
        {%- set lacking = wanted | reject('in', types) | join(' and ') -%}
        {%- set name = path.split('/labels/')[-1].split('/')[0] | replace('.parquet', '') -%}
        {%- if not lacking -%}
            {%- do files.append({
                'path': path, 'task': 'task' if has_task else literal(name), 'moment': utc(moment, types[moment]),
                'split': 'split' if 'split' in types else 'null'
            }) -%}
        {%- elif has_task -%}
            {%- do refuse(path ~ ' lacks the column ' ~ lacking, 'add what is missing to the export') -%}
        {%- else -%}
            {%- set said = lacking | replace('eval_ts', 'eval_ts (or observed_through)') -%}
            {%- do log(path ~ ' is not read: it lacks ' ~ said, info=True) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(files) }}
{%- endmacro %}
