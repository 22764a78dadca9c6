"""Who was in the training data: attacks that tell members from people the model never saw."""
