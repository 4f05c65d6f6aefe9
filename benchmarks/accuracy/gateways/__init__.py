"""The gateways that can be measured, each behind one small interface."""
