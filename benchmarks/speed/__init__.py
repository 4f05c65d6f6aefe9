"""Speed: this gateway and its peers, side by side on one machine, in front of one stub upstream."""
