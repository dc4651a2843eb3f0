{{ config(enabled='hubspot_deals' in var('adpostbacks_views', []), materialized='view') }}
{%- set contacts = ref(var('adpostbacks_hubspot_contacts', 'hubspot_contacts')) -%}
{%- set there = adpostbacks.columns_of(contacts) -%}
{%- set persons = {
  'email': ['email'], 'phone': ['phone', 'mobilephone'], 'first_name': ['firstname'], 'last_name': ['lastname'],
  'city': ['city'], 'state': ['state'], 'postal_code': ['zip'], 'country': ['country'],
  'gclid': ['hs_google_click_id'], 'fbclid': ['hs_facebook_click_id'], 'landing_url': ['hs_analytics_first_url'],
} -%}
with contacts as (

  select
    {{ adpostbacks.first_text(there, ['id', 'vid']) }} as contact_id,
    {%- for name, properties in persons.items() %}
    {{ adpostbacks.hubspot_property(there, properties) }} as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
  from {{ contacts }}

)

select
  deals.*,
  {%- for name in persons %}
  contacts.{{ name }}{{ ',' if not loop.last }}
  {%- endfor %}
from {{ ref(var('adpostbacks_hubspot_deals', 'hubspot_deals')) }} as deals
left join contacts on contacts.contact_id = {{ adpostbacks.json_text('deals.associations', ['associatedVids', 0]) }}
