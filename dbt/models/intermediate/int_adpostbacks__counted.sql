{#- What counts: no tests, and a trial's delivery only where the same conversion has none that is live. -#}
with deliveries as (

  select
    *,
    case
      when asset like '%@http://%' then substr(asset, 1, {{ dbt.position("'@http://'", "asset") }} - 1)
      when asset like '%@https://%' then substr(asset, 1, {{ dbt.position("'@https://'", "asset") }} - 1)
    end as receiver_of_trial
  from {{ ref('stg_adpostbacks__deliveries') }}
  where not test

),

timed as (

  select
    deliveries.*,
    coalesce(deliveries.event_time, deliveries.updated_at) as happened_at,
    case when deliveries.adjustment = '' and deliveries.currency <> '' then deliveries.value end as money
  from deliveries
  left join deliveries as live
    on live.network = deliveries.network
    and live.asset = deliveries.receiver_of_trial
    and live.event_id = deliveries.event_id
    and live.event_name = deliveries.event_name
    and live.adjustment = deliveries.adjustment
  where live.delivery_id is null

)

select
  *,
  receiver_of_trial is not null as is_trial,
  {{ adpostbacks.day_of('happened_at') }} as day
from timed
