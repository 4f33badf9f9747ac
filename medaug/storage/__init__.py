"""Files and what stands in them: durable writes, archives, locks, canonical and streamed JSON."""
