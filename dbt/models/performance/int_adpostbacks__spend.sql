{#- Statistics of ads in the window: of streams that tell of the same network, account and day, the first one counts. -#}
with spend as (

  select *, {{ adpostbacks.place_of('stream') }} as place
  from {{ ref('stg_adpostbacks__performance') }}
  where day >= {{ adpostbacks.performance_since() }} and day <= {{ adpostbacks.performance_until() }}

),

told as (

  select distinct network, day, account_id, stream, place
  from spend

),

later as (

  select distinct spend.network, spend.day, spend.account_id, spend.stream
  from told as spend
  inner join told as earlier
    on earlier.network = spend.network
    and earlier.day = spend.day
    and (earlier.account_id = spend.account_id or earlier.account_id = '' or spend.account_id = '')
    and (earlier.place < spend.place or (earlier.place = spend.place and earlier.stream < spend.stream))

)

select
  spend.*,
  case when spend.time_zone = '' then 'UTC' else spend.time_zone end as zone
from spend
left join later
  on later.network = spend.network
  and later.day = spend.day
  and later.account_id = spend.account_id
  and later.stream = spend.stream
where later.stream is null
