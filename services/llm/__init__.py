"""The door to the model, and the engine that answers without one."""
