{{ adpostbacks.staged(
  'runs',
  ['run_id'],
  {
    'run_id': 'text',
    'seq': 'integer',
    'started_at': 'time',
    'ended_at': 'time',
    'exit_code': 'integer',
    'version': 'text',
    'counts': 'text',
  }
) }}
