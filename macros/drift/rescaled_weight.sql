{% macro rescaled_weight(gain, variance) -%}
    case when round(sum(abs({{ gain }})) over (partition by source, key), 9) >= 0.1
        then {{ gain }} / {{ variance }} / sum({{ gain }} * {{ gain }} / {{ variance }}) over (partition by source, key)
    end
{%- endmacro %}
