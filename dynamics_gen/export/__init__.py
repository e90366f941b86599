"""Splits in the forms in which others keep clips: WebDataset archives, and folders of MP4 or GIF files with a CSV."""
