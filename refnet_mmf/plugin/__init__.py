"""The MMF layer: everything that is registered with MMF, and all that touches its two lines."""
