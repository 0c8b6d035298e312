{#-
    What hand-made features are made of, read off the fit: the numeric keys, the eight most frequent
    values of each category key, of events and of profile attributes, and all keys.
-#}
{% macro feature_fields(fields, categories, profiles) -%}
    {%- if not execute or load_relation(fields) is none -%}
        {{ return({'numeric': [], 'categories': [], 'attributes': [], 'every_key': []}) }}
    {%- endif -%}
    {%- set reserved = "key not in ('source', 'milestone')" -%}
    {%- set numeric = run_query("select key from " ~ fields ~ " where kind = 'numeric' order by key") -%}
    {%- set values = run_query(
        "select key, value from " ~ categories ~ " where rank <= 8 and " ~ reserved ~ " order by key, rank"
    ) -%}
    {%- set attributes = run_query(
        "select distinct unnest(map_keys(attributes)) as key from " ~ profiles
    ).columns[0].values() | list -%}
    {%- set keys = run_query("select key from " ~ fields ~ " where " ~ reserved ~ " order by key") -%}
    {{ return({
        'numeric': numeric.columns[0].values() | list,
        'categories': values.rows | map('list') | rejectattr(0, 'in', attributes) | list,
        'attributes': values.rows | map('list') | selectattr(0, 'in', attributes) | list,
        'every_key': keys.columns[0].values() | list,
    }) }}
{%- endmacro %}

{#-
    A quoted column name: `share expense_category Vehicle Fuel`. Double quotes become single ones: the materialisation
    `external` quotes names without doubling what quotes they hold.
-#}
{% macro feature_name() -%}
    {{ adapter.quote((varargs | join(' ')) | replace('"', "'")) }}
{%- endmacro %}
