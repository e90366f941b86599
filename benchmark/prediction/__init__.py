"""Models that see the beginning of a clip and say how it goes on: contract, learning, scores, records, pictures."""
