{{ adpostbacks.staged(
  'health',
  ['account'],
  {
    'account': 'text',
    'state': 'text',
    'since': 'time',
    'last_accepted_at': 'time',
    'advice': 'text',
    'checked_at': 'time',
  },
  newest='checked_at'
) }}
