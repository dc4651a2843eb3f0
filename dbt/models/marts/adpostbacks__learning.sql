{#- What networks learn from: accepted conversions, for each asset and each of its ad groups. -#}
with accepted as (

  select day, network, asset, network_event, ad_group_id
  from {{ ref('int_adpostbacks__counted') }}
  where status = 'accepted' and adjustment = ''

),

learners as (

  select day, network, asset, cast(null as {{ dbt.type_string() }}) as ad_group_id, network_event from accepted
  union all
  select day, network, asset, ad_group_id, network_event from accepted where ad_group_id <> ''

),

daily as (

  select
    learners.day,
    learners.network,
    learners.asset,
    learners.ad_group_id,
    case when coalesce(milestones.event, '') = '' then learners.network_event else milestones.events end as events,
    milestones.unlocks,
    milestones.needed,
    milestones.days,
    count(*) as conversions
  from learners
  inner join {{ ref('adpostbacks_milestones') }} as milestones
    on milestones.network = learners.network
    and (coalesce(milestones.event, '') = '' or milestones.event = learners.network_event)
  group by 1, 2, 3, 4, 5, 6, 7, 8

)

select
  daily.day,
  daily.network,
  daily.asset,
  daily.ad_group_id,
  daily.events,
  daily.unlocks,
  daily.needed,
  daily.days,
  max(daily.conversions) as conversions,
  sum(earlier.conversions) as in_days,
  sum(earlier.conversions) >= daily.needed as is_reached
from daily
inner join daily as earlier
  on earlier.network = daily.network
  and earlier.asset = daily.asset
  and coalesce(earlier.ad_group_id, '') = coalesce(daily.ad_group_id, '')
  and earlier.events = daily.events
  and earlier.unlocks = daily.unlocks
  and earlier.needed = daily.needed
  and earlier.days = daily.days
  and earlier.day <= daily.day
  and {{ dbt.datediff('earlier.day', 'daily.day', 'day') }} < daily.days
group by 1, 2, 3, 4, 5, 6, 7, 8
