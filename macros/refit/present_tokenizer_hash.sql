{% macro present_tokenizer_hash() -%}
    {%- set tokenizer = fit_relation('tokenizer') -%}
    {%- if load_relation(tokenizer) is none -%} {{ return('') }} {%- endif -%}
    {{ return(run_query('select tokenizer_hash from ' ~ tokenizer).rows[0][0]) }}
{%- endmacro %}
