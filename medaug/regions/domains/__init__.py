"""Where a changed pixel still gives a plausible image: body, exposure, organs, markers."""
