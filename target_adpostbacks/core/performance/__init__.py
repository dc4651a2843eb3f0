"""What ads cost and brought: statistics of networks as taps read them, and our own conversions beside them."""
