{% macro event_array(spec, what) -%}
    {{ return(adapter.dispatch('event_array', 'pragma')(spec, what)) }}
{%- endmacro %}

{#-
    Usual events have all the keys that every event of their source had in the fit. They take a fast path: adjacent
    fields of one token each become one list without any test for null. Other events take the slow path with the same
    result.
-#}
{% macro default__event_array(spec, what) -%}
    {%- set usual = spec.schemas | selectattr('always') | list if spec.schemas | length <= 32 else [] -%}
    {%- if usual -%} case {%- endif -%}
    {%- for schema in usual %}
        when source in ({{ literals(schema.sources) }})
        {%- for field in spec.fields if field.key in schema.always and field.kind != 'text' %}
            and v{{ field.index }} is not null
        {%- endfor %}
            then {{ _usual_array(spec, schema, what) }}
    {%- endfor %}
        {%- if usual %} else {% endif -%}
        flatten([[{{ _source_part(spec, what) }}]
        {%- for field in spec.fields %}, {{ field_part(field, what) }}{% endfor %}])
    {%- if usual %} end {%- endif -%}
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

{% macro _usual_array(spec, schema, what) -%}
    {%- set parts, singles = [], [_source_part(spec, what)] -%}
    {%- for field in spec.fields if field.key in schema['keys'] -%}
        {%- if field.kind != 'text' and field.key in schema.always -%}
            {%- do singles.append(single_part(field, what)) -%}
        {%- else -%}
            {%- if singles -%} {%- do parts.append('[' ~ singles | join(', ') ~ ']') -%} {%- endif -%}
            {%- do singles.clear() -%}
            {%- do parts.append(field_part(field, what)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if singles -%} {%- do parts.append('[' ~ singles | join(', ') ~ ']') -%} {%- endif -%}
    {%- if parts | length == 1 -%} {{ parts[0] }} {%- else -%} list_concat({{ parts | join(', ') }}) {%- endif -%}
{%- endmacro %}

{% macro _source_part(spec, what) -%}
    {%- if what == 'value_ids' -%} v0
    {%- elif what == 'key_ids' -%} {{ spec.source.key_id }}
    {%- else -%} 0::utinyint
    {%- endif -%}
{%- endmacro %}
