"""What templates can say: icons, times, badges, charts and the shell's own small questions."""
