{{ adpostbacks.staged(
  'daily',
  ['network', 'account', 'event', 'day', 'currency'],
  {
    'network': 'text',
    'account': 'text',
    'event': 'text',
    'day': 'date',
    'currency': 'text',
    'accepted': 'integer',
    'rejected': 'integer',
    'skipped': 'integer',
    'open': 'integer',
    'accepted_value': 'number',
    'rejected_value': 'number',
    'skipped_value': 'number',
    'open_value': 'number',
    'requests': 'integer',
    'p50_ms': 'integer',
    'p95_ms': 'integer',
    'seq': 'integer',
  }
) }}
