"""What a class looks like: pictures made from a model's answers or its gradient."""
