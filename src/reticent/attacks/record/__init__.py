"""Record reconstruction: whole rows of the people that a tabular model was trained on."""
