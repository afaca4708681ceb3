"""What programs read: JSON, tables, reports for CI."""
