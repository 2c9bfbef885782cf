"""Measures Tenure beside its floor and a Faust agent, on one embedded stack in one run."""
