{#- A number on an edge lies in the bin that the edge closes. A balanced tree of comparisons: six deep for 64 bins. -#}
{% macro numeric_bin(number, edges, first_id=0) -%}
    case when {{ number }} = 0 then {{ first_id }} else {{ _bin_tree(number, edges, first_id + 1) }} end
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
