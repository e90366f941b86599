"""Models that make frames or clips."""
