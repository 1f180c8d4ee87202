"""How fast this machine trains, generates and serves."""
