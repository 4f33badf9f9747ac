"""From a folder to a prior: one loader a layout, and what tells the layouts apart."""
