"""The online inference service of Question 14 and what loads it."""
