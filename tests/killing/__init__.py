"""The parts of kill.py: what runs commands, the model of a store, the verbs, and the checks."""
