"""From the gateway to the centre: each reading is stored exactly once."""
