"""REFINER and its losses in plain PyTorch: nothing here imports MMF."""
