"""Admission: from a request to a hold. What it would cost, whether it may, and the money that is set aside."""
