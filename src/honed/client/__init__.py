"""What programs that honed hears of import: nothing but Python's own library."""
