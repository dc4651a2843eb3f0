{{ config(enabled='ga4_events' in var('adpostbacks_views', []), materialized='view') }}
{%- set customers = ref(var('adpostbacks_customers', 'customers')) -%}
{%- set there = adpostbacks.columns_of(customers) -%}
{%- set persons = ['email', 'phone', 'first_name', 'last_name', 'city', 'state', 'postal_code', 'country'] -%}
with customers as (

  select
    {%- for name in ['external_id'] + persons %}
    {{ adpostbacks.first_text(there, [name]) }} as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
  from {{ customers }}

),

once as (

  select *
  from (
    select *, row_number() over (partition by external_id order by email, phone) as place
    from customers
    where external_id <> ''
  ) as placed
  where place = 1

)

select
  events.*,
  {%- for name in persons %}
  once.{{ name }}{{ ',' if not loop.last }}
  {%- endfor %}
from {{ ref(var('adpostbacks_ga4_events', 'ga4_events')) }} as events
left join once on once.external_id = cast(events.user_id as {{ dbt.type_string() }})
where events.event_name in {{ adpostbacks.texts(
  var('adpostbacks_ga4_event_names', ['purchase', 'refund', 'sign_up', 'generate_lead'])
) }}
