{#-
    A build of another dataset is refused by name, because a fit that never saw that dataset would tokenise its events.
-#}
{% macro remember_dataset() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
    {%- if var('book', '') -%} {%- do print('note: the var `book` is called `dataset` now; rename it in dbt_project.yml') -%} {%- endif -%}
    {%- set asked, held = _asked_dataset(), _held_dataset() -%}
    {%- if held and load_relation(fit_relation('tokenizer')) is not none -%} {%- do _check_same(asked, held) -%} {%- endif -%}
    create schema if not exists contract;
    create or replace table {{ _dataset_relation() }} as
    select
        {{ literal(asked.kind) }} as kind,
        {{ literal(asked.name) }} as name,
        {{ literal(asked.root) }} as root,
        {{ literal(asked.mapping) }} as mapping,
        {{ literal(held.first_built_at) if held else "timezone('UTC', now())" }}::timestamp as first_built_at;
    {%- endif -%}
{%- endmacro %}

{#- The dataset that the vars ask for: a folder of contract files, the demo's purchase cards, or a user's project. -#}
{% macro _asked_dataset() -%}
    {%- set dataset = dataset_var() -%}
    {%- if dataset == 'purchase_cards' -%}
        {{ return({'kind': 'purchase_cards', 'name': dataset, 'root': '', 'mapping': ''}) }}
    {%- elif dataset == 'folder' -%}
        {%- set root = _absolute(var('contract_dir')) -%}
        {{ return({'kind': 'folder', 'name': root.split('/')[-1], 'root': root, 'mapping': ''}) }}
    {%- endif -%}
    {%- set root = _absolute(invocation_args_dict.project_dir | string) -%}
    {%- set mapping = run_query('select md5(content) from read_text(' ~ file_pattern(root ~ '/mapping.yml') ~ ')').rows
        if run_query('from glob(' ~ file_pattern(root ~ '/mapping.yml') ~ ')').rows else [] -%}
    {{ return({'kind': 'project', 'name': dataset, 'root': root, 'mapping': mapping[0][0] if mapping else ''}) }}
{%- endmacro %}

{#- The dataset that the warehouse holds; none if the warehouse is new, or older than this table. -#}
{% macro _held_dataset() -%}
    {%- if load_relation(_dataset_relation()) is none -%} {{ return(none) }} {%- endif -%}
    {%- set row = run_query('select kind, name, root, mapping, first_built_at::varchar from ' ~ _dataset_relation()).rows[0] -%}
    {{ return({'kind': row[0], 'name': row[1], 'root': row[2], 'mapping': row[3], 'first_built_at': row[4]}) }}
{%- endmacro %}

{#- A dataset may move or get another mapping; the build reports it. If the old folder still exists, it has not moved. -#}
{% macro _check_same(asked, held) -%}
    {%- set same_name = asked.kind == held.kind and asked.name == held.name -%}
    {%- set moved = same_name and asked.root != held.root -%}
    {%- if not same_name or moved and run_query('from glob(' ~ file_pattern(held.root, '/*') ~ ') limit 1').rows -%}
        {{ refuse(
            'this warehouse holds the dataset ' ~ _named_dataset(held) ~ ', not ' ~ _named_dataset(asked),
            'build the other into a warehouse of its own: pragma build --home NEW' ~ _dataset_option(asked)
        ) }}
    {%- elif moved -%}
        {%- do log('the dataset ' ~ held.name ~ ' is read from ' ~ asked.root ~ ' from now on; ' ~ held.root ~ ' is gone', info=true) -%}
    {%- endif -%}
    {%- if same_name and asked.mapping != held.mapping -%}
        {%- do log('the mapping.yml of ' ~ held.name ~ ' has changed since the last build', info=true) -%}
    {%- endif -%}
{%- endmacro %}

{% macro _named_dataset(dataset) -%} {{ return(dataset.name ~ (' (' ~ dataset.root ~ ')' if dataset.root else '')) }} {%- endmacro %}

{% macro _dataset_option(dataset) -%}
    {%- set options = {'folder': ' --contract ' ~ dataset.root, 'project': ' --project ' ~ dataset.root} -%}
    {{ return(options.get(dataset.kind, ' --var dataset=' ~ dataset.name)) }}
{%- endmacro %}

{% macro _dataset_relation() -%}
    {{ return(api.Relation.create(database=target.database, schema='contract', identifier='dataset')) }}
{%- endmacro %}

{% macro _absolute(path) -%}
    {%- set whole = path if path.startswith('/') else env_var('PWD', '') ~ '/' ~ modules.re.sub('^[.]/?', '', path) -%}
    {{ return(modules.re.sub('(.)/+$', '\\1', whole)) }}
{%- endmacro %}
