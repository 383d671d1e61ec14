"""Ways to compute on data that nobody may show, asked the same questions: see `alternatives.py`."""
