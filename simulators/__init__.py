"""Field devices for demonstrations and tests; they speak the real protocols."""
