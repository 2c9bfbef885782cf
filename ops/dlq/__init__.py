"""Dead letters as operators treat them: found, explained, mended, sent back or given up, and told."""
