"""The board as a static site: pages that need no server, no network and no script to be read."""
