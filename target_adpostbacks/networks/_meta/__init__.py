"""What ``networks/meta.py`` is made of."""
