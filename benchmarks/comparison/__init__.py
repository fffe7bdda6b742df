"""``bin/bench NAME --against CHECKOUT``: two checkouts' own contestants, timed in turn in one run."""
