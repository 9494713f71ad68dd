"""An experiment on a page: controls, runs, figures and what stands beside them."""
