{#-
    On run end, and not after each relation: relations are built in parallel, and none sees what another has not
    committed. Until then the file marks relations of older vectors as stale.
-#}
{% macro write_made_from() -%}
    {%- if execute and not is_candidate() and flags.WHICH in ('build', 'run')
        and ['vectors', 'made_from'] in tables_in(['vectors']) -%}
    {{ copy_made_from() }}
    {%- endif -%}
{%- endmacro %}
