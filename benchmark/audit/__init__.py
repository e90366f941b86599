"""The audit: probes that must fail, because no still picture tells the class, and one that must not."""
