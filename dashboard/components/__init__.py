"""Building blocks of pages; ``dashboard/README.md`` lists them."""
