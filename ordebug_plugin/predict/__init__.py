"""Which SFT checkpoint will be best after reinforcement learning, by what can be measured before it."""
