"""Pure functions and values: no clock, socket, thread, database or Singer. Imports nothing of the other folders."""
