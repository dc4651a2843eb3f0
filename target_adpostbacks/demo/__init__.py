"""What ``adpostbacks demo`` is made of: a throw-away PostgreSQL, fictional conversions, a Meltano project."""
