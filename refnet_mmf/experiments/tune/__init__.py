"""Search over the weights of REFINER and the metric loss, on the validation split."""
