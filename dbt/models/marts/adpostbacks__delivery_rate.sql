with counts as (

  select
    day,
    network,
    account,
    event_name,
    count(*) as conversions,
    {{ adpostbacks.count_of('accepted') }} as accepted,
    {{ adpostbacks.count_of('rejected') }} as rejected,
    {{ adpostbacks.count_of('skipped') }} as skipped,
    {{ adpostbacks.count_of('open') }} as open
  from {{ ref('int_adpostbacks__counted') }}
  group by day, network, account, event_name

)

select
  *,
  {{ adpostbacks.share('accepted', 'accepted + rejected + open') }} as delivery_rate,
  {{ adpostbacks.share('rejected', 'accepted + rejected') }} as rejection_rate
from counts
