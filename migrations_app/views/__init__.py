"""What people see and click: one module per screen, functions of about twenty lines."""
