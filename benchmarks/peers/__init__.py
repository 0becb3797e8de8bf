"""Programs that we did not write, run beside ours on the same work."""
