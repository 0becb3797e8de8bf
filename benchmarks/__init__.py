"""Figures as ratios against a ceiling or a peer measured in the same run."""
