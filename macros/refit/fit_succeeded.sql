{% macro fit_succeeded(results) -%}
    {%- set layers, statuses = [], [] -%}
    {%- for result in results if result.node.resource_type == 'model' and result.node.package_name == 'pragma'
        and (result.node.fqn[1] == 'fit' or result.node.name in ('texts', 'event_tokens', 'profile_tokens', 'user_tokens')) -%}
        {%- do layers.append(result.node.fqn[1]) -%}
        {%- do statuses.append([result.node.name, result.status | string]) -%}
    {%- endfor -%}
    {{ return(
        statuses | rejectattr(1, 'equalto', 'success') | list | length == 0
        and ('fit' not in layers or ['tokenizer', 'success'] in statuses)
    ) }}
{%- endmacro %}
