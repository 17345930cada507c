"""What an operator does to services that exist: look at them, and put right what is wrong."""
