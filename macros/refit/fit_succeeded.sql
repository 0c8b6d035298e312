{% macro fit_succeeded(results) -%}
    {%- set made, failed = [], [] -%}
    {%- for result in results if result.node.resource_type == 'model' and result.node.package_name == 'pragma'
        and (result.node.fqn[1] == 'fit' or result.node.name in ('text_tokens', 'event_tokens', 'profile_tokens', 'user_tokens')) -%}
        {%- do (made if result.status | string == 'success' else failed).append(result.node.unique_id) -%}
    {%- endfor -%}
    {%- set fit = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model')
        | selectattr('package_name', 'equalto', 'pragma') | selectattr('fqn.1', 'equalto', 'fit') | map(attribute='unique_id') -%}
    {{ return(not failed and fit | reject('in', made) | list | length == 0) }}
{%- endmacro %}
