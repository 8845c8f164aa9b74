"""The validation of a domain: look, plan, bring in line, report."""
