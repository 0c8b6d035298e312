{#-
    Files that have not changed since an earlier build read them, as `read_as`: path, size, times and footer are the same.
    If files are not tracked one by one, `read_as` is empty and stands for all of them together.
-#}
{% macro unchanged_files() -%}
    select files.read_as
    from {{ contract_relation('source_files') }} as files
    left join {{ contract_relation('known_files') }} as known
        on
            {% for column in ('read_as', 'path', 'device', 'inode', 'size', 'mtime_ns', 'ctime_ns', 'tail', 'definition') -%}
            files.{{ column }} = known.{{ column }} {{ 'and' if not loop.last }}
            {% endfor %}
    group by files.read_as
    having
        count(*) = count(known.path)
        and count(*) = (select count(*) from {{ contract_relation('known_files') }} as every where every.read_as = files.read_as)
{%- endmacro %}

{% macro _files_are_known() -%}
    {{ return(
        execute and not flags.FULL_REFRESH
        and load_relation(contract_relation('file_partitions')) is not none
        and load_relation(contract_relation('known_files')) is not none
    ) }}
{%- endmacro %}

{#- The files to read, as a list of `read_as`; the value none means: read everything. -#}
{% macro files_to_read() -%}
    {%- if not _files_are_known() -%} {{ return(none) }} {%- endif -%}
    {%- set unchanged = run_query(unchanged_files()).columns[0].values() | list -%}
    {%- if not unchanged -%} {{ return(none) }} {%- endif -%}
    {{ return(run_query(
        'select distinct read_as from ' ~ contract_relation('source_files') ~ ' where read_as not in ('
        ~ unchanged_files() ~ ') order by read_as'
    ).columns[0].values() | list) }}
{%- endmacro %}

{#- A condition with literals, so that the reader skips the other files. -#}
{% macro is_one_of(column, texts) -%}
    {%- if texts -%} {{ column }} in ({{ literals(texts) }}) {%- else -%} false {%- endif -%}
{%- endmacro %}

{#-
    Before files are read: delete what is known of those files and of files that are gone. A refresh replaces the table and
    deletes nothing from it first: DuckDB cannot replay, after a crash, a transaction that deletes rows and then renames
    their table, and the warehouse would not open.
-#}
{% macro forget_changed_files(file_partitions) -%}
    {%- if _files_are_known() -%}
    delete from {{ file_partitions }} where read_as not in ({{ unchanged_files() }})
    {%- elif is_incremental() -%}
    delete from {{ file_partitions }}
    {%- endif -%}
{%- endmacro %}

{#- In the same transaction, after files are read: record them. A file that was written to a moment ago is read again. -#}
{% macro keep_files() -%}
    create or replace table {{ contract_relation('known_files') }} as
    select * from {{ contract_relation('source_files') }} where settled
{%- endmacro %}
