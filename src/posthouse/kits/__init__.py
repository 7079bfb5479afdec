"""Building blocks that bots share, each of which a bot may take or leave."""
