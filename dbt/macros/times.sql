{# A time as a timestamp in UTC, whether it was loaded as one with a zone, without one (in UTC), or as text. #}
{% macro utc(column, data_type) %}
{{- return(adapter.dispatch('utc', 'adpostbacks')(column, data_type)) -}}
{% endmacro %}

{% macro default__utc(column, data_type) %}
{%- if 'with time zone' in data_type or 'timestamptz' in data_type -%}
({{ column }} at time zone 'UTC')
{%- elif 'char' in data_type or 'text' in data_type or 'string' in data_type -%}
(cast({{ column }} as timestamp with time zone) at time zone 'UTC')
{%- else -%}
cast({{ column }} as {{ dbt.type_timestamp() }})
{%- endif -%}
{% endmacro %}

{% macro bigquery__utc(column, data_type) %}
cast({{ column }} as timestamp)
{% endmacro %}

{% macro snowflake__utc(column, data_type) %}
{%- if 'ntz' in data_type -%}
{{ column }}
{%- else -%}
cast(convert_timezone('UTC', cast({{ column }} as timestamp_tz)) as timestamp_ntz)
{%- endif -%}
{% endmacro %}


{# The day that a time in UTC has in a zone. Both are expressions. #}
{% macro day_in(time, zone) %}
{{- return(adapter.dispatch('day_in', 'adpostbacks')(time, zone)) -}}
{% endmacro %}

{% macro default__day_in(time, zone) %}
cast((({{ time }}) at time zone 'UTC') at time zone {{ zone }} as date)
{% endmacro %}

{% macro bigquery__day_in(time, zone) %}
date({{ time }}, {{ zone }})
{% endmacro %}

{% macro snowflake__day_in(time, zone) %}
cast(convert_timezone('UTC', {{ zone }}, {{ time }}) as date)
{% endmacro %}


{# The day of a time in UTC, in the zone that the variable names. #}
{% macro day_of(time) %}
{{- adpostbacks.day_in(time, "'" ~ var('adpostbacks_timezone', 'UTC') ~ "'") -}}
{% endmacro %}
