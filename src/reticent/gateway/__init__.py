"""The guarded model as a service: who, may, spend, ask, record, watch, shape, reply."""
