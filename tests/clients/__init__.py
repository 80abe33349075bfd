"""Real clients that know nothing of Bindery, and the repositories that they read."""
