{#-
    The parts of the tokenizer that have two forms. `default` runs fast over the many rows of a build. `online` is quick to
    set up for the few rows of a request, where DuckDB takes longer to prepare an expression per key than to run it. A
    bundle's tokenize.sql is rendered with `online`; tests check that both give the same tokens.
-#}

{#- The number of a numeric field; `place` is its index among the numeric fields. -#}
{% macro field_number(field, place) -%}
    {{ return(adapter.dispatch('field_number', 'pragma')(field, place)) }}
{%- endmacro %}

{% macro default__field_number(field, place) -%}
    {{ parse_number('x' ~ field.index) }}
{%- endmacro %}

{% macro online__field_number(field, place) -%}
    numbers[{{ place }}]
{%- endmacro %}

{#- The relation that the numbers are read from. -#}
{% macro rows_with_numbers(spec, rows) -%}
    {{ return(adapter.dispatch('rows_with_numbers', 'pragma')(spec, rows)) }}
{%- endmacro %}

{% macro default__rows_with_numbers(spec, rows) -%}
    {{ rows }}
{%- endmacro %}

{% macro online__rows_with_numbers(spec, rows) -%}
    {%- set numeric = spec.fields | selectattr('kind', 'equalto', 'numeric') | map(attribute='index') | list -%}
    {%- if numeric -%}
    (select *, {{ parse_numbers('[x' ~ numeric | join(', x') ~ ']') }} as numbers from {{ rows }}) as {{ rows }}
    {%- else -%} {{ rows }}
    {%- endif -%}
{%- endmacro %}

{#- The token id of a number's bin. -#}
{% macro number_bin(number, edges, first_id) -%}
    {{ return(adapter.dispatch('number_bin', 'pragma')(number, edges, first_id)) }}
{%- endmacro %}

{% macro default__number_bin(number, edges, first_id) -%}
    {{ numeric_bin(number, edges, first_id) }}
{%- endmacro %}

{% macro online__number_bin(number, edges, first_id) -%}
    {{ numeric_bin_by_count(number, edges, first_id) }}
{%- endmacro %}

{#- A CTE that materialises the texts if they are a view, which each key would otherwise compute again. -#}
{% macro texts_once(texts) -%}
    {{ return(adapter.dispatch('texts_once', 'pragma')(texts)) }}
{%- endmacro %}

{% macro default__texts_once(texts) -%} {%- endmacro %}

{% macro online__texts_once(texts) %}
texts_once as materialized (
    select * from {{ texts }}
),
    {% endmacro %}

{#- The relation that the texts are joined from. -#}
{% macro joined_texts(texts) -%}
    {{ return(adapter.dispatch('joined_texts', 'pragma')(texts)) }}
{%- endmacro %}

{% macro default__joined_texts(texts) -%}
    {{ texts }}
{%- endmacro %}

{% macro online__joined_texts(texts) -%}
    texts_once
{%- endmacro %}

{#- The tokens of an event as one array; `what` is value_ids, key_ids or positions. -#}
{% macro event_array(spec, what) -%}
    {{ return(adapter.dispatch('event_array', 'pragma')(spec, what)) }}
{%- endmacro %}

{#- Adjacent fields of one token each form one list; absent fields are nulls, which are filtered out at the end. -#}
{% macro online__event_array(spec, what) -%}
    {%- set parts, singles = [], [_source_part(spec, what)] -%}
    {%- for field in spec.fields -%}
        {%- if field.kind == 'text' -%}
            {%- do parts.extend(['[' ~ singles | join(', ') ~ ']', field_part(field, what)]) -%}
            {%- do singles.clear() -%}
        {%- elif what == 'value_ids' -%} {%- do singles.append('v' ~ field.index) -%}
        {%- else -%} {%- do singles.append('case when v' ~ field.index ~ ' is not null then ' ~ single_part(field, what) ~ ' end') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if singles -%} {%- do parts.append('[' ~ singles | join(', ') ~ ']') -%} {%- endif -%}
    list_filter(flatten([{{ parts | join(', ') }}]), lambda id: id is not null)
{%- endmacro %}
