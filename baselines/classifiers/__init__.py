"""Models that say which class a clip shows."""
