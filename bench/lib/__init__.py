"""What the parts of bench/run.py share."""
