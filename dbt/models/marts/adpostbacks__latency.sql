with placed as (

  select
    network,
    status,
    latency_ms,
    {{ adpostbacks.day_of('started_at') }} as day
  from {{ ref('stg_adpostbacks__attempts') }}

),

ranked as (

  select
    *,
    row_number() over (partition by day, network order by latency_ms) as place,
    count(*) over (partition by day, network) as requests
  from placed

)

select
  day,
  network,
  count(*) as requests,
  {{ adpostbacks.count_of('Success') }} as success,
  {{ adpostbacks.count_of('Failed') }} as failed,
  {{ adpostbacks.count_of('Retried') }} as retried,
  {{ adpostbacks.percentile(50) }} as p50_ms,
  {{ adpostbacks.percentile(95) }} as p95_ms,
  {{ adpostbacks.percentile(99) }} as p99_ms,
  max(latency_ms) as slowest_ms
from ranked
group by day, network
