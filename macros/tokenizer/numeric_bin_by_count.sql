{#- For few rows the edges are counted, because a tree of comparisons takes longer to set up than to run. -#}
{% macro numeric_bin_by_count(number, edges, first_id=0) -%}
    {{ return(adapter.dispatch('numeric_bin_by_count', 'pragma')(number, edges, first_id)) }}
{%- endmacro %}

{% macro duckdb__numeric_bin_by_count(number, edges, first_id) -%}
    case when {{ number }} = 0 then {{ first_id }} else {{ first_id + 1 }} + len(list_filter(
        [{% for edge in edges or [] %}{{ literal(edge | string) }}{% if not loop.last %}, {% endif %}{% endfor %}]::double[],
        lambda edge: edge < {{ number }}
    ))::integer end
{%- endmacro %}
