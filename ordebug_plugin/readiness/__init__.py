"""Whether an SFT checkpoint is ready for reinforcement learning."""
