{# A member of a column that holds JSON, as text. `path`: names and numbers, ['associatedVids', 0]. #}
{% macro json_text(column, path) %}
{{- return(adapter.dispatch('json_text', 'adpostbacks')(column, path)) -}}
{% endmacro %}

{% macro default__json_text(column, path) -%}
json_extract_string(cast({{ column }} as json), '{{ adpostbacks.json_path(path) }}')
{%- endmacro %}

{% macro postgres__json_text(column, path) -%}
(cast({{ column }} as jsonb) #>> '{{ '{' ~ path | join(',') ~ '}' }}')
{%- endmacro %}

{% macro bigquery__json_text(column, path) -%}
json_value({{ column }}, '{{ adpostbacks.json_path(path) }}')
{%- endmacro %}

{% macro snowflake__json_text(column, path) -%}
cast(get_path(try_parse_json(to_varchar({{ column }})), '{{ adpostbacks.json_path(path)[2:] }}') as varchar)
{%- endmacro %}

{% macro json_path(path) -%}
${% for part in path %}{{ '[' ~ part ~ ']' if part is number else '.' ~ part }}{% endfor %}
{%- endmacro %}


{# The first of these columns that a row has a text in; null where there is none of them. #}
{% macro first_text(there, names) -%}
{%- set found = [] -%}
{%- for name in names if there.get(name | lower) -%}
  {%- do found.append("nullif(cast(" ~ adapter.quote(there[name | lower].name) ~ " as " ~ dbt.type_string() ~ "), '')") -%}
{%- endfor -%}
{%- if not found -%}
cast(null as {{ dbt.type_string() }})
{%- else -%}
coalesce({{ found | join(', ') }}, null)
{%- endif -%}
{%- endmacro %}


{# A property of a contact of HubSpot: `property_email`, or `properties.email`, by tap. #}
{% macro hubspot_property(there, names) -%}
{%- set found = [] -%}
{%- for name in names -%}
  {%- if there.get('property_' ~ name) -%}
    {%- do found.append("nullif(cast(" ~ adapter.quote(there['property_' ~ name].name) ~ " as " ~ dbt.type_string() ~ "), '')") -%}
  {%- elif there.get('properties') -%}
    {%- do found.append("nullif(" ~ adpostbacks.json_text(adapter.quote(there['properties'].name), [name]) ~ ", '')") -%}
  {%- endif -%}
{%- endfor -%}
{%- if not found -%}
cast(null as {{ dbt.type_string() }})
{%- else -%}
coalesce({{ found | join(', ') }}, null)
{%- endif -%}
{%- endmacro %}
