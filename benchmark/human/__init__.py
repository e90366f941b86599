"""What a person sees in the clips: a page that asks, answers that are checked, a record of them."""
