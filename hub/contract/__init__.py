"""What plugins and drivers are written against; they import it as `hub`."""
