"""Entries from anybody: a folder of predictions and a description, made, checked and scored."""
