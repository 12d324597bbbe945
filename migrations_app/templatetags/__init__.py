"""What the templates of change can say beside icons, times and charts."""
