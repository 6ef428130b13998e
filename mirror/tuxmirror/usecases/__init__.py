"""What an operator can ask for, one module each. They see ports, never adapters."""
