"""How near paintings come to real pictures, and what is seen in them."""
