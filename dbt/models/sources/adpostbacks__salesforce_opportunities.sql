{{ config(enabled='salesforce_opportunities' in var('adpostbacks_views', []), materialized='view') }}
{%- set opportunities = ref(var('adpostbacks_salesforce_opportunities', 'salesforce_opportunities')) -%}
{%- set roles = ref(var('adpostbacks_salesforce_contact_roles', 'salesforce_contact_roles')) -%}
{%- set contacts = ref(var('adpostbacks_salesforce_contacts', 'salesforce_contacts')) -%}
{%- set leads = ref(var('adpostbacks_salesforce_leads', 'salesforce_leads')) -%}
{%- set persons = ['email', 'phone', 'first_name', 'last_name', 'city', 'state', 'postal_code', 'country'] -%}
{%- set of_contacts = {
  'email': ['Email'], 'phone': ['Phone', 'MobilePhone'], 'first_name': ['FirstName'], 'last_name': ['LastName'],
  'city': ['MailingCity'], 'state': ['MailingStateCode', 'MailingState'], 'postal_code': ['MailingPostalCode'],
  'country': ['MailingCountryCode', 'MailingCountry'],
} -%}
{%- set of_leads = {
  'email': ['Email'], 'phone': ['Phone', 'MobilePhone'], 'first_name': ['FirstName'], 'last_name': ['LastName'],
  'city': ['City'], 'state': ['StateCode', 'State'], 'postal_code': ['PostalCode'], 'country': ['CountryCode', 'Country'],
} -%}
{%- set role, contact = adpostbacks.columns_of(roles), adpostbacks.columns_of(contacts) -%}
{%- set lead, opportunity = adpostbacks.columns_of(leads), adpostbacks.columns_of(opportunities) -%}
with roles as (

  select
    {{ adpostbacks.first_text(role, ['OpportunityId']) }} as opportunity_id,
    {{ adpostbacks.first_text(role, ['ContactId']) }} as contact_id,
    lower({{ adpostbacks.first_text(role, ['IsPrimary']) }}) as is_primary,
    {{ adpostbacks.first_text(role, ['Id']) }} as role_id
  from {{ roles }}
  where lower(coalesce({{ adpostbacks.first_text(role, ['IsDeleted']) }}, 'false')) = 'false'

),

contacts as (

  select
    {{ adpostbacks.first_text(contact, ['Id']) }} as contact_id,
    {%- for name in persons %}
    {{ adpostbacks.first_text(contact, of_contacts[name]) }} as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
  from {{ contacts }}

),

persons as (

  {#- a contact of the opportunity goes before the lead that it came from -#}
  select roles.opportunity_id, 1 as source, roles.is_primary, roles.role_id as row_id, {{ persons | join(', ') }}
  from roles
  inner join contacts on contacts.contact_id = roles.contact_id
  union all
  select
    {{ adpostbacks.first_text(lead, ['ConvertedOpportunityId']) }},
    2,
    'false',
    {{ adpostbacks.first_text(lead, ['Id']) }},
    {%- for name in persons %}
    {{ adpostbacks.first_text(lead, of_leads[name]) }}{{ ',' if not loop.last }}
    {%- endfor %}
  from {{ leads }}

),

once as (

  select *
  from (
    select
      *,
      row_number() over (
        partition by opportunity_id
        order by source, case when is_primary in ('true', '1', 't') then 0 else 1 end, row_id
      ) as place
    from persons
    where opportunity_id <> ''
  ) as placed
  where place = 1

)

select
  opportunities.*,
  {%- for name in persons %}
  once.{{ name }}{{ ',' if not loop.last }}
  {%- endfor %}
from {{ opportunities }} as opportunities
left join once on once.opportunity_id = opportunities.{{ adapter.quote(opportunity['id'].name) if opportunity.get('id') else 'id' }}
