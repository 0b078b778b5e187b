"""The loop: observe, hypothesize, act, learn, and the pause until the next turn."""
