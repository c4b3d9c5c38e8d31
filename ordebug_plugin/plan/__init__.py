"""What a training takes before anyone rents GPUs: parameters, memory, hours."""
