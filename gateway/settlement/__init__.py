"""Settlement: what the end of a prediction means for money, and the search for ends that nobody reports."""
