"""What a host lacks: its package list and OVAL definitions in, findings out."""
