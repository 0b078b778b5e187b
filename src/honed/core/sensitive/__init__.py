"""What may not be stored: patterns of secrets and personal data, and a cheap look before them."""
