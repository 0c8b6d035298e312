{% macro content_identity() -%}
    case when event_id is null then {{ content_hash(['source', 'fields is null', map_hash('fields')]) }} end
{%- endmacro %}
