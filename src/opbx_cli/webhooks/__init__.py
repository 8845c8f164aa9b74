"""OPBX's endpoints, what stands behind them, and a receiver in their place."""
