"""Training data: public Alpaca files in, what the frameworks train on out."""
