"""The two APIs of Google Ads, and what they have in common."""
