{#-
    The bin of a number: 0 for zero, else 1 + the number of edges strictly below it, so that a
    number on an edge lies in the bin that the edge closes. A balanced tree of comparisons: six deep
    for 64 bins. For few rows the edges are counted instead, because a tree takes longer to set up than to run.
-#}
{% macro numeric_bin(number, edges, first_id=0) -%}
    case when {{ number }} = 0 then {{ first_id }} else {{ _bin_tree(number, edges, first_id + 1) }} end
{%- endmacro %}

{% macro numeric_bin_by_count(number, edges, first_id=0) -%}
    {{ return(adapter.dispatch('numeric_bin_by_count', 'pragma')(number, edges, first_id)) }}
{%- endmacro %}

{% macro duckdb__numeric_bin_by_count(number, edges, first_id) -%}
    case when {{ number }} = 0 then {{ first_id }} else {{ first_id + 1 }} + len(list_filter(
        [{% for edge in edges or [] %}{{ literal(edge | string) }}{% if not loop.last %}, {% endif %}{% endfor %}]::double[],
        lambda edge: edge < {{ number }}
    ))::integer end
{%- endmacro %}

{% macro _bin_tree(number, edges, first_id) -%}
    {%- if not edges -%} {{ first_id }}
    {%- else -%}
        {%- set middle = (edges | length) // 2 -%}
        case when {{ number }} <= {{ literal(edges[middle] | string) }}::double
        then {{ _bin_tree(number, edges[:middle], first_id) }}
        else {{ _bin_tree(number, edges[middle + 1:], first_id + middle + 1) }} end
    {%- endif -%}
{%- endmacro %}
