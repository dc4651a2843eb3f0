"""The settings of X, and how it is signed in to."""
