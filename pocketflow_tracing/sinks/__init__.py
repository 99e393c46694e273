"""Where traces go beside the store."""
