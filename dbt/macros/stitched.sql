{# Clicks joined to the later conversions of the same person, over devices: SQL with a row for each conversion.

   clicks, identities, conversions: relations; identities may be none. `model`: last or first. `credit`: each_network,
   or last_network, which keeps only the network of the newest click.

   A conversion's own e-mail, phone, external id and visitor find clicks, and whatever a row ties to the first three does
   too: one hop, and never from a visitor. What is tied to more than `most_ties` others is a shared device or a
   placeholder, and finds nothing. #}
{% macro stitched(clicks, identities, conversions, window_days=30, model='last', credit='each_network', most_ties=20) %}
{%- set persons = {'email?': 'text', 'phone?': 'text', 'external_id?': 'text', 'anonymous_id?': 'text'} -%}
{%- set kinds = ['email', 'phone', 'external_id', 'anonymous_id'] -%}
{%- set click_ids = adpostbacks.click_ids() -%}
{%- set of_clicks = {'click_time': 'time', 'campaign_id?': 'text', 'ad_group_id?': 'text', 'ad_id?': 'text', 'consent': 'boolean'} -%}
{%- for column in click_ids -%}{%- do of_clicks.update({column ~ '?': 'text'}) -%}{%- endfor -%}
{%- do of_clicks.update(persons) -%}
{%- set of_conversions = {'event_name': 'text', 'event_id': 'text', 'event_time': 'time'} -%}
{%- do of_conversions.update(persons) -%}
{%- set order = 'click_time ' ~ ('desc' if model == 'last' else 'asc') ~ ', click_id asc, network asc, found_by asc' -%}
with clicks as (

  {{ adpostbacks.typed(clicks, of_clicks) }}

),

conversions as (

  {{ adpostbacks.typed(conversions, of_conversions) }}

),

identified as (

  select {{ kinds | join(', ') }} from clicks where coalesce(consent, true)
  {%- if identities %}
  union all
  select {{ kinds | join(', ') }} from ({{ adpostbacks.typed(identities, persons) }}) as identities
  {%- endif %}

),

ties as (

  select distinct kind, identifier, other_kind, other
  from (
    {%- set ns = namespace(first=true) %}
    {%- for kind in kinds %}
    {%- for other in kinds if other != kind %}
    {{ 'union all' if not ns.first }}
    select
      '{{ kind }}' as kind,
      {{ adpostbacks.identifier(kind) }} as identifier,
      '{{ other }}' as other_kind,
      {{ adpostbacks.identifier(other) }} as other
    from identified
    where {{ adpostbacks.identifier(kind) }} <> '' and {{ adpostbacks.identifier(other) }} <> ''
    {%- set ns.first = false %}
    {%- endfor %}
    {%- endfor %}
  ) as pairs

),

shared as (

  select kind, identifier
  from ties
  group by kind, identifier
  having count(*) > {{ most_ties }}

),

persons as (
  {% for kind in kinds %}
  select event_name, event_id, event_time, '{{ kind }}' as kind, {{ adpostbacks.identifier(kind) }} as identifier
  from conversions
  where {{ adpostbacks.identifier(kind) }} <> ''
  {{ 'union all' if not loop.last }}
  {%- endfor %}

),

own as (

  select persons.*
  from persons
  left join shared on shared.kind = persons.kind and shared.identifier = persons.identifier
  where shared.kind is null

),

reached as (

  select event_name, event_id, event_time, kind, identifier, kind as found_by
  from own
  union all
  select own.event_name, own.event_id, own.event_time, ties.other_kind, ties.other, own.kind
  from own
  inner join ties on ties.kind = own.kind and ties.identifier = own.identifier
  left join shared on shared.kind = ties.other_kind and shared.identifier = ties.other
  where own.kind <> 'anonymous_id' and shared.kind is null

),

click_ids as (
  {% for column, network in click_ids.items() %}
  select *, '{{ network }}' as network, '{{ column }}' as click_id_column, {{ column }} as click_id
  from clicks
  where {{ column }} <> '' and coalesce(consent, true)
  {{ 'union all' if not loop.last }}
  {%- endfor %}

),

of_persons as (
  {% for kind in kinds %}
  select
    '{{ kind }}' as kind,
    {{ adpostbacks.identifier(kind) }} as identifier,
    network,
    click_id_column,
    click_id,
    click_time,
    campaign_id,
    ad_group_id,
    ad_id
  from click_ids
  where {{ adpostbacks.identifier(kind) }} <> ''
  {{ 'union all' if not loop.last }}
  {%- endfor %}

),

found as (

  select
    reached.event_name,
    reached.event_id,
    reached.found_by,
    of_persons.network,
    of_persons.click_id_column,
    of_persons.click_id,
    of_persons.click_time,
    of_persons.campaign_id,
    of_persons.ad_group_id,
    of_persons.ad_id
  from reached
  inner join of_persons
    on of_persons.kind = reached.kind
    and of_persons.identifier = reached.identifier
    and of_persons.click_time <= reached.event_time
    and of_persons.click_time
      >= cast({{ dbt.dateadd('day', -window_days, 'reached.event_time') }} as {{ dbt.type_timestamp() }})

),

placed as (

  select
    *,
    row_number() over (partition by event_name, event_id, network order by {{ order }}) as place_in_network,
    row_number() over (partition by event_name, event_id order by {{ order }}) as place,
    row_number() over (
      partition by event_name, event_id order by click_time desc, click_id asc, network asc, found_by asc
    ) as place_from_last,
    row_number() over (
      partition by event_name, event_id order by click_time asc, click_id asc, network asc, found_by asc
    ) as place_from_first
  from found

),

lasts as (

  select event_name, event_id, network as last_network
  from placed
  where place_from_last = 1

),

credited as (

  select placed.*
  from placed
  {%- if credit == 'last_network' %}
  inner join lasts
    on lasts.event_name = placed.event_name
    and lasts.event_id = placed.event_id
    and lasts.last_network = placed.network
  {%- endif %}

),

chosen as (

  select
    event_name,
    event_id,
    count(distinct network) as networks,
    {%- for column in click_ids %}
    max(case when place_in_network = 1 and click_id_column = '{{ column }}' then click_id end) as {{ column }},
    {%- endfor %}
    {{ 'max' if model == 'last' else 'min' }}(case when place_in_network = 1 then click_time end) as click_time,
    max(case when place_in_network = 1 then campaign_id end) as campaign_id,
    max(case when place_in_network = 1 then ad_group_id end) as ad_group_id,
    max(case when place_in_network = 1 then ad_id end) as ad_id,
    max(case when place_in_network = 1 then network end) as network
  from credited
  group by event_name, event_id

),

ends as (

  select
    event_name,
    event_id,
    max(case when place = 1 then found_by end) as found_by,
    {%- for end in ['first', 'last'] %}
    max(case when place_from_{{ end }} = 1 then network end) as {{ end }}_network,
    max(case when place_from_{{ end }} = 1 then click_id end) as {{ end }}_click_id,
    max(case when place_from_{{ end }} = 1 then click_time end) as {{ end }}_click_time{{ ',' if not loop.last }}
    {%- endfor %}
  from placed
  group by event_name, event_id

)

select
  conversions.event_name,
  conversions.event_id,
  conversions.event_time,
  {%- for column in click_ids %}
  chosen.{{ column }},
  {%- endfor %}
  chosen.click_time,
  {%- if credit == 'last_network' %}
  chosen.network,
  {%- else %}
  cast(null as {{ dbt.type_string() }}) as network,
  {%- endif %}
  {%- for column in ['campaign_id', 'ad_group_id', 'ad_id'] %}
  case when chosen.networks = 1 then chosen.{{ column }} end as {{ column }},
  {%- endfor %}
  ends.found_by as stitched_by,
  {%- for end in ['first', 'last'] %}
  ends.{{ end }}_network,
  ends.{{ end }}_click_id,
  ends.{{ end }}_click_time{{ ',' if not loop.last }}
  {%- endfor %}
from conversions
left join chosen on chosen.event_name = conversions.event_name and chosen.event_id = conversions.event_id
left join ends on ends.event_name = conversions.event_name and ends.event_id = conversions.event_id
{% endmacro %}


{# What identifies a person, as it is compared: e-mails without regard to case, all without space around them. #}
{% macro identifier(kind) %}
{{- 'lower(trim(email))' if kind == 'email' else 'trim(' ~ kind ~ ')' -}}
{% endmacro %}


{# The columns of click ids, by the networks' own names, to their networks. #}
{% macro click_ids() %}
{{- return(var('adpostbacks_click_ids', {
  'ttclid': 'tiktok', 'rdt_cid': 'reddit', 'fbclid': 'meta', 'gclid': 'google_ads', 'gbraid': 'google_ads',
  'wbraid': 'google_ads', 'sc_click_id': 'snapchat', 'epik': 'pinterest', 'li_fat_id': 'linkedin', 'twclid': 'x',
  'msclkid': 'microsoft_ads', 'oppref': 'openai_ads',
})) -}}
{% endmacro %}
